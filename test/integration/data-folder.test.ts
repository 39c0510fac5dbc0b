import { accessSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CliStage, jsonLines } from './cli-stage.ts'
import { run } from '../../src/os/run.ts'

const BIN = join(import.meta.dirname, '..', '..', 'bin', 'naru')
const NOBODY = 65_534
/** Why the case of another user is left out; null: it is not. */
const leftOut = process.getuid?.() !== 0 ? 'needs root' : isPublic(BIN) ? null : 'this checkout is not for everybody'

function isPublic(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    const { mode } = process.getBuiltinModule('node:fs').statSync(path)
    return (mode & 0o005) === 0o005 && (dirname(path) === path || isPublic(dirname(path)))
  } catch {
    return false
  }
}

describe('a data folder that cannot be one', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'nd-'))
    writeFileSync(join(folder, 'file'), '')
    mkdirSync(join(folder, 'closed'), { mode: 0o700 })
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const naru = (args: readonly string[], command: readonly string[] = [process.execPath, BIN]) => {
    const [program = '', ...before] = command
    const env = { PATH: process.env.PATH ?? '', NARU_ROUTER: 'userland' }
    return run(program, [...before, ...args], {
      env,
      cwd: '/',
      timeoutMs: 60_000,
      signal: new AbortController().signal,
    })
  }

  async function expectRefused(data: string, why: RegExp, command?: readonly string[]): Promise<void> {
    for (const args of [
      ['status', '--app', 'a', '-e', 'b'],
      ['status', '--app', 'a', '-e', 'b', '--no-server'],
    ]) {
      const { code, stderr } = await naru([...args, '--data', data], command)
      expect(stderr).toMatch(/^error DATA_FOLDER_UNUSABLE: the data folder cannot be used: /m)
      expect(stderr).toMatch(why)
      expect(stderr).toContain('Choose a folder that this user may write, with --data or NARU_DATA.')
      expect(code).toBe(10)
    }
    const { stdout } = await naru(['doctor', '--data', data, '-o', 'json'], command)
    expect(jsonLines(stdout)).toContainEqual(
      expect.objectContaining({ check: 'data folder', state: 'failed', found: expect.stringMatching(why) }),
    )
  }

  it('is told where a file stands', () => expectRefused(join(folder, 'file'), /file: that is a file/), 60_000)
  it(
    'is told below a file',
    () => expectRefused(join(folder, 'file', 'x'), /a file stands where a folder must be/),
    60_000,
  )
  it('is told where no folder can be made', () => expectRefused('/proc/naru/x', /no folder can be made there/), 60_000)

  it.skipIf(leftOut !== null)(
    `is told to a user who may not write there${leftOut === null ? '' : ` (left out: ${leftOut})`}`,
    () =>
      expectRefused(join(folder, 'closed', 'x'), /this user may not write there \(EACCES\)/, [
        'setpriv',
        `--reuid=${NOBODY}`,
        `--regid=${NOBODY}`,
        '--clear-groups',
        '--',
        process.execPath,
        BIN,
      ]),
    60_000,
  )
})

describe('a server that cannot start', () => {
  const stage = CliStage.open()
  afterAll(async () => expect(await stage.close()).toEqual([]))

  it('fails the command that starts it with its own failure, not with that of an earlier one', async () => {
    mkdirSync(stage.data, { recursive: true, mode: 0o700 })
    writeFileSync(join(stage.data, 'server.log'), 'error PORT_TAKEN: an earlier one\n  hint\n')
    const schema = new DatabaseSync(join(stage.data, 'memory.db'))
    schema.exec('create table kysely_migration (name text primary key, timestamp text not null)')
    schema.exec("insert into kysely_migration values ('0099', '2030-01-01')")
    schema.close()
    const { stderr, code } = await stage.naru(['status', '--app', 'a', '-e', 'b'])
    expect({ stderr, code }).toEqual({ stderr: expect.stringMatching(/^error MEMORY_NEWER: /m), code: 10 })
    expect(stderr).not.toContain('an earlier one')
    rmSync(join(stage.data, 'memory.db'))
  })
})
