import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }

const BIN = join(import.meta.dirname, '..', '..', 'bin', 'naru')
const WANTED = /^>=(\d+)\.(\d+)/.exec(packageJson.engines.node)
const [major, minor] = [Number(WANTED?.[1]), Number(WANTED?.[2])]

/** The first Node of this machine that is too old for Naru. */
const old = (process.env.PATH ?? '')
  .split(':')
  .concat('/usr/bin', '/usr/local/bin')
  .map((folder) => join(folder, 'node'))
  .find((program) => {
    const [have = major, since = minor] = versionOf(program)
    return have < major || (have === major && since < minor)
  })

describe.skipIf(old === undefined)('bin/naru under an older Node (left out where this machine has none)', () => {
  it.each([['version'], ['deploy', '--output', 'json'], []])(
    'says so in one line, whatever is asked: %s',
    (...args) => {
      const { status, stdout, stderr } = spawnSync(old ?? '', [BIN, ...args], { encoding: 'utf8' })
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
      expect(stderr).toMatch(/^naru needs Node \d+\.\d+ or newer, this is \d+\.\d+\.\d+: [^\n]*\n$/)
      expect(stderr).toContain(`: ${join(BIN, '..', '..', 'node_modules', 'node', 'bin', 'node')} ${BIN}\n`)
      expect(stderr).not.toContain('npx')
      expect(stderr).toContain(`needs Node ${major}.${minor} or newer, this is ${versionOf(old ?? '').join('.')}`)
    },
  )
})

function versionOf(program: string): number[] {
  try {
    return execFileSync(program, ['--version'], { encoding: 'utf8', stdio: 'pipe' })
      .trim()
      .slice(1)
      .split('.')
      .map(Number)
  } catch {
    return []
  }
}
