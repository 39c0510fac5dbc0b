import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Happening } from '../model/event.ts'
import { type HostCommand, runHostCommand } from './host-command.ts'
import { never, writeTree } from './testing.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'naru-host-command-'))
  await writeTree(folder, { build: { run: '#!/bin/sh\necho built $1 >out\necho "in $PWD"\n' } })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function logs(command: Partial<HostCommand>, signal = never): Promise<readonly string[]> {
  const happenings: Happening[] = []
  const whole = { run: [], folder, environment: process.env, allow: [], timeoutMs: 60_000, ...command }
  await runHostCommand(whole, (happening) => happenings.push(happening), signal)
  return happenings.flatMap((one) => (one.kind === 'log' && one.from === 'build.run' ? [one.line] : []))
}

const CUT_AT = 128 * 1024

describe('runHostCommand', () => {
  it('runs a program of the work tree there and reports its lines', async () => {
    expect(await logs({ run: ['./build', 'it'] })).toEqual([`in ${folder}`])
  })

  it('gives arguments as they are: no shell reads them', async () => {
    expect(await logs({ run: ['printf', '%s\n', '$HOME; rm -rf /', '`id`'] })).toEqual(['$HOME; rm -rf /', '`id`'])
  })

  it('cuts a line that does not end, so that no output fills the memory', async () => {
    const run = [process.execPath, '-e', 'process.stdout.write("x".repeat(1_000_000))']
    const seen = await logs({ run })
    expect(seen.join('')).toHaveLength(1_000_000)
    expect(Math.max(...seen.map(({ length }) => length))).toBeLessThanOrEqual(CUT_AT)
  })

  it('shows only allowed names of the environment', async () => {
    const environment = { PATH: process.env.PATH, TOKEN: 'canary', NPM_CONFIG: 'yes', HOME: '/h' }
    const seen = await logs({ run: ['env'], environment, allow: ['NPM_CONFIG'] })
    expect(seen.filter((line) => /^(TOKEN|NPM_CONFIG|HOME)=/.test(line)).sort()).toEqual(['HOME=/h', 'NPM_CONFIG=yes'])
  })

  it('fails with the exit code and the last lines, of stderr too', async () => {
    const run = [
      process.execPath,
      '-e',
      'for (let i = 0; i < 50; i++) console.log("line", i); console.error("broken"); process.exitCode = 3',
    ]
    const failing = logs({ run })
    await expect(failing).rejects.toMatchObject({ code: 'BUILD_RUN_FAILED', detail: { exitCode: 3 } })
    await expect(failing).rejects.toThrow(/exit code 3[\s\S]*line 49/)
    await expect(failing).rejects.toThrow('broken')
  })

  it('says when the program is not there', async () => {
    await expect(logs({ run: ['naru-no-such-program'] })).rejects.toMatchObject({
      code: 'BUILD_RUN_FAILED',
      detail: { errno: 'ENOENT' },
    })
  })

  it('ends at the time limit, and when it is aborted', async () => {
    await expect(logs({ run: ['sleep', '600'], timeoutMs: 50 })).rejects.toThrow('did not end within 0.05 s')
    await expect(logs({ run: ['sleep', '600'] }, AbortSignal.timeout(50))).rejects.toMatchObject({
      name: 'TimeoutError',
    })
  })
})
