import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const PROGRAM = `import { logLine } from ${JSON.stringify(join(import.meta.dirname, 'log-line.ts'))}
logLine('lost'); setTimeout(() => process.stdout.write('goes on'), 20)`

it('a process goes on when its log is on a full disk', () => {
  const full = openSync('/dev/full', 'w')
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
    stdio: ['ignore', 'pipe', full],
    encoding: 'utf8',
  })
  closeSync(full)
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'goes on' })
})
