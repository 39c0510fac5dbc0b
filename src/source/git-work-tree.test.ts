import { mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findRepository, uncommittedChanges } from './git-work-tree.ts'
import { commit, git, makeRepository, temporaryFolder } from './testing.ts'

const signal = new AbortController().signal
const env = { PATH: process.env.PATH, HOME: '/nonexistent' }
let folder: ReturnType<typeof temporaryFolder>
let repository: string
beforeEach(() => {
  folder = temporaryFolder()
  repository = makeRepository(join(realpathSync(folder.path), 'shop'))
})
afterEach(() => folder.remove())

describe('the repository around a folder', () => {
  it('is found, with the folder inside it', async () => {
    mkdirSync(join(repository, 'services/my app'), { recursive: true })
    expect(await findRepository(repository, env, signal)).toEqual({ root: repository, folder: '' })
    expect(await findRepository(join(repository, 'services/my app'), env, signal)).toEqual({
      root: repository,
      folder: 'services/my app',
    })
  })

  it('is null where there is none, and in a bare one', async () => {
    expect(await findRepository(folder.path, env, signal)).toBeNull()
    git(folder.path, ['init', '--quiet', '--bare', 'bare.git'])
    expect(await findRepository(join(folder.path, 'bare.git'), env, signal)).toBeNull()
  })

  it('is the one of the folder, also inside a git hook of another one', async () => {
    const other = makeRepository(join(folder.path, 'other'))
    const hook = { ...env, GIT_DIR: join(other, '.git'), GIT_WORK_TREE: other }
    expect(await findRepository(repository, hook, signal)).toMatchObject({ root: repository })
  })

  it('tells a folder that is not there and a missing git', async () => {
    await expect(findRepository(join(folder.path, 'none'), env, signal)).rejects.toMatchObject({
      code: 'SOURCE_NOT_FOUND',
    })
    await expect(findRepository(repository, { PATH: '/nonexistent' }, signal)).rejects.toMatchObject({
      code: 'SOURCE_TOOL_MISSING',
    })
  })
})

describe('uncommitted changes', () => {
  const changes = (at = repository) => uncommittedChanges(at, env, signal)

  it('are none after a commit', async () => {
    commit(repository, { a: '1', '.gitignore': '*.log\n' })
    writeFileSync(join(repository, 'x.log'), 'ignored')
    expect(await changes()).toEqual({ count: 0, first: [] })
  })

  it('are changed, staged, removed and new files, below the folder', async () => {
    commit(repository, { 'a.txt': '1', 'b.txt': '1', 'sub/c.txt': '1' })
    writeFileSync(join(repository, 'a.txt'), '2')
    git(repository, ['rm', '--quiet', 'b.txt'])
    writeFileSync(join(repository, 'sub/new "안녕".txt'), '')
    expect(await changes()).toEqual({ count: 3, first: ['a.txt', 'b.txt', 'sub/new "안녕".txt'] })
    expect(await changes(join(repository, 'sub'))).toMatchObject({ count: 1 })
  })

  it('are counted all and named in part', async () => {
    for (let i = 0; i < 30; i++) writeFileSync(join(repository, `f${i}`), '')
    const found = await changes()
    expect([found.count, found.first.length]).toEqual([30, 5])
  })
})
