import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { GitProgram } from '../git-program.ts'
import { commit, git, makeRepository, temporaryFolder } from '../testing.ts'
import { KeptReaders } from './kept-readers.ts'
import type { ObjectCall } from './object-reader.ts'

let folder: ReturnType<typeof temporaryFolder>
let repository: string
let gitDir: string
let readers: KeptReaders
const call: ObjectCall = { url: 'shop', doing: 'reading', signal: new AbortController().signal }

beforeEach(() => {
  folder = temporaryFolder()
  repository = makeRepository(join(folder.path, 'shop'))
  gitDir = join(repository, '.git')
  readers = new KeptReaders(new GitProgram(process.env))
})
afterEach(() => {
  readers.forget(gitDir)
  folder.remove()
})

/** Processes of git that read this repository. */
const running = (): number[] =>
  readdirSync('/proc').flatMap((name) => {
    try {
      const env = /^\d+$/.test(name) ? readFileSync(`/proc/${name}/environ`, 'utf8') : ''
      return env.split('\0').includes(`GIT_DIR=${gitDir}`) ? [Number(name)] : []
    } catch {
      return []
    }
  })

it('one process answers many questions, also for what was committed after it was started', async () => {
  const first = commit(repository, { a: '1' })
  expect((await readers.object(gitDir, first, call))?.kind).toBe('commit')
  const [pid] = running()
  const second = commit(repository, { a: '2' })
  git(repository, ['gc', '--quiet'])
  const third = commit(repository, { a: '3' })
  for (const id of [second, third]) expect((await readers.object(gitDir, id, call))?.kind).toBe('commit')
  expect(running()).toEqual([pid])
})

it('lends each user one of its own, and a broken one to nobody', async () => {
  const id = commit(repository, { a: '1' })
  const [one, two] = [readers.lend(gitDir), readers.lend(gitDir)]
  expect(one.reader).not.toBe(two.reader)
  await one.reader.read([id], () => () => {}, call)
  two.reader
    .read(
      [id],
      () => () => {
        throw new Error('enough')
      },
      call,
    )
    .catch(() => {})
  await vi.waitFor(() => expect(two.reader.isUsable).toBe(false))
  one.giveBack()
  one.giveBack()
  two.giveBack()
  expect(readers.lend(gitDir).reader).toBe(one.reader)
  expect(readers.lend(gitDir).reader).not.toBe(two.reader)
  await Promise.all([one.reader.close()])
})

it('tells what is not there, also of a repository that was made anew meanwhile', async () => {
  const id = commit(repository, { a: '1' })
  expect(await readers.object(gitDir, 'f'.repeat(40), call)).toBe(null)
  expect(await readers.object(gitDir, id, call)).not.toBe(null)
  rmSync(repository, { recursive: true })
  makeRepository(repository)
  const other = commit(repository, { a: 'other' }, 'Other')
  expect((await readers.object(gitDir, other, call))?.bytes.toString()).toContain('Other')
})

it('ends those that nobody uses, and those that are forgotten', async () => {
  const id = commit(repository, { a: '1' })
  const hurried = new KeptReaders(new GitProgram(process.env), 1)
  await hurried.object(gitDir, id, call)
  await vi.waitFor(() => expect(running()).toEqual([]), 20_000)
  await readers.object(gitDir, id, call)
  expect(running()).toHaveLength(1)
  readers.forget(gitDir)
  await vi.waitFor(() => expect(running()).toEqual([]), 20_000)
})

it('goes on with another process where one was killed', async () => {
  const id = commit(repository, { a: '1' })
  await readers.object(gitDir, id, call)
  const lent = readers.lend(gitDir)
  lent.giveBack()
  for (const pid of running()) process.kill(pid, 'SIGKILL')
  await vi.waitFor(() => expect(lent.reader.isUsable).toBe(false), 20_000)
  expect((await readers.object(gitDir, id, call))?.kind).toBe('commit')
})

it('keeps no process of ours alive, and leaves none behind', async () => {
  const id = commit(repository, { a: '1' })
  const script = `
    import { GitProgram } from ${JSON.stringify(join(import.meta.dirname, '../git-program.ts'))}
    import { KeptReaders } from ${JSON.stringify(join(import.meta.dirname, 'kept-readers.ts'))}
    const call = { url: '', doing: '', signal: new AbortController().signal }
    const readers = new KeptReaders(new GitProgram(process.env))
    console.log((await readers.object(${JSON.stringify(gitDir)}, '${id}', call)).kind)`
  const ended = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', script], {
    encoding: 'utf8',
    timeout: 50_000,
  })
  expect([ended.status, ended.stdout, ended.stderr]).toEqual([0, 'commit\n', ''])
  await vi.waitFor(() => expect(running()).toEqual([]), 20_000)
})
