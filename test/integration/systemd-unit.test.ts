import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const UNIT = join(import.meta.dirname, '..', '..', 'share', 'naru.service')
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0

describe('the systemd unit', () => {
  it('ends the server only, so that replicas and router serve on, and may hold them to their limits', () => {
    const lines = readFileSync(UNIT, 'utf8').split('\n')
    expect(lines).toEqual(expect.arrayContaining(['KillMode=process', 'Delegate=yes', 'Restart=always']))
  })

  it.skipIf(!hasSystemd)(
    'is right for systemd, which knows each key (left out where there is no systemd-analyze)',
    () => {
      // Its own folders and no generators: nothing of this machine's other units is looked at.
      const { status, stdout, stderr } = spawnSync(
        'systemd-analyze',
        ['verify', '--man=no', '--recursive-errors=no', UNIT],
        {
          encoding: 'utf8',
          env: { ...process.env, LC_ALL: 'C' },
        },
      )
      expect({ status, said: `${stdout}${stderr}`.split('\n').filter((line) => line.includes('naru')) }).toEqual({
        status: 0,
        said: [],
      })
    },
  )
})
