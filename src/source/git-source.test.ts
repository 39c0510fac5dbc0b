import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { gitSource } from './git-source.ts'
import type { Source } from './source.ts'
import { commit, git, makeRepository, temporaryFolder } from './testing.ts'

const signal = new AbortController().signal
let folder: ReturnType<typeof temporaryFolder>
let source: Source
let repository: string

beforeEach(() => {
  folder = temporaryFolder()
  source = gitSource({ cacheFolder: join(folder.path, 'cache'), env: process.env })
  repository = makeRepository(join(folder.path, 'shop'))
})
afterEach(() => folder.remove())

const resolve = (ref: string | null, url = repository) =>
  source.resolve({ kind: 'git', url, ref, folder: '', submodules: false }, signal)

function emptyFolder(name: string): string {
  const path = join(folder.path, name)
  mkdirSync(path)
  return path
}

describe('git source of a local repository', () => {
  it('finds the branch, tag, commit, short commit and default branch', async () => {
    const first = commit(repository, { 'a.txt': '1' }, 'First "change"')
    git(repository, ['tag', 'v1'])
    git(repository, ['tag', '-a', '-m', 'annotated', 'v1a'])
    git(repository, ['branch', 'feature/x'])
    const second = commit(repository, { 'a.txt': '2' }, 'Second')
    const found = async (ref: string | null) => (await resolve(ref)).commit
    expect(await found(null)).toBe(second)
    expect(await found('main')).toBe(second)
    expect(await found('refs/heads/main')).toBe(second)
    expect(await found('HEAD')).toBe(second)
    expect(await found('v1')).toBe(first)
    expect(await found('v1a')).toBe(first)
    expect(await found('feature/x')).toBe(first)
    expect(await found(first)).toBe(first)
    expect(await found(first.slice(0, 8))).toBe(first)
    expect(await found(first.slice(0, 8).toUpperCase())).toBe(first)
    expect(await found(git(repository, ['rev-parse', 'v1a']))).toBe(first)
    expect(await resolve('v1')).toEqual({
      commit: first,
      ref: 'v1',
      subject: 'First "change"',
      url: repository,
      committedAtMs: Date.parse('2026-01-02T03:04:05Z'),
      isUpload: false,
    })
  })

  it('reads a bare repository and one with SHA-256 as well', async () => {
    const id = commit(repository, { 'a.txt': '1' })
    git(folder.path, ['clone', '--quiet', '--bare', repository, 'bare.git'])
    expect((await resolve('main', join(folder.path, 'bare.git'))).commit).toBe(id)
    const modern = makeRepository(join(folder.path, 'modern'), '--object-format=sha256')
    const long = commit(modern, { 'a.txt': 'sha256' })
    const resolved = await resolve(null, modern)
    expect(resolved.commit).toBe(long)
    const into = emptyFolder('tree')
    await source.checkout(resolved, into, { submodules: false }, signal)
    expect(readFileSync(join(into, 'a.txt'), 'utf8')).toBe('sha256')
  })

  it('reads a linked work tree, a shallow clone, and tells a partial one', async () => {
    commit(repository, { 'a.txt': '1' })
    const id = commit(repository, { 'a.txt': '2' })
    git(repository, ['worktree', 'add', '--quiet', '-b', 'topic', join(folder.path, 'linked')])
    const topic = commit(join(folder.path, 'linked'), { 'a.txt': 'topic' })
    expect((await resolve(null, join(folder.path, 'linked'))).commit).toBe(topic)
    git(repository, ['config', 'uploadpack.allowFilter', 'true'])
    git(folder.path, ['clone', '--quiet', '--depth=1', `file://${repository}`, 'shallow'])
    const resolved = await resolve(id.slice(0, 10), join(folder.path, 'shallow'))
    await source.checkout(resolved, emptyFolder('tree'), { submodules: false }, signal)
    expect(readFileSync(join(folder.path, 'tree/a.txt'), 'utf8')).toBe('2')
    git(folder.path, ['clone', '--quiet', '--bare', '--filter=blob:none', `file://${repository}`, 'partial'])
    const partial = await resolve('main', join(folder.path, 'partial'))
    const laid = source.checkout(partial, emptyFolder('other'), { submodules: false }, signal)
    await expect(laid).rejects.toMatchObject({
      code: 'SOURCE_FETCH_FAILED',
      hint: expect.stringContaining('partial clone'),
    })
  })

  it('lays out exactly the commit: no uncommitted change, no ignored file, no .git', async () => {
    commit(repository, { 'a.txt': 'committed', '.gitignore': '*.log\n', 'deep/b.sh': '#!/bin/sh\n' })
    chmodSync(join(repository, 'deep/b.sh'), 0o755)
    symlinkSync('deep/b.sh', join(repository, 'link'))
    commit(repository, {})
    writeFileSync(join(repository, 'a.txt'), 'changed')
    writeFileSync(join(repository, 'staged.txt'), 'staged')
    git(repository, ['add', 'staged.txt'])
    writeFileSync(join(repository, 'x.log'), 'ignored')
    const into = emptyFolder('tree')
    await source.checkout(await resolve('main'), into, { submodules: false }, signal)
    expect(readdirSync(into, { recursive: true }).sort()).toEqual(['.gitignore', 'a.txt', 'deep', 'deep/b.sh', 'link'])
    expect(readFileSync(join(into, 'a.txt'), 'utf8')).toBe('committed')
    expect(statSync(join(into, 'deep/b.sh')).mode & 0o111).not.toBe(0)
    expect(statSync(join(into, 'a.txt')).mode & 0o111).toBe(0)
    expect(existsSync(join(into, '.git'))).toBe(false)
    expect(readFileSync(join(repository, 'a.txt'), 'utf8')).toBe('changed')
  })

  it('reads a file of the commit, and null where there is none', async () => {
    commit(repository, { 'naru.yaml': 'app: shop\n', 'services/a/naru.yaml': 'app: a\n' })
    const resolved = await resolve(null)
    expect(await source.readFile(resolved, 'naru.yaml', signal)).toBe('app: shop\n')
    expect(await source.readFile(resolved, 'services/a/naru.yaml', signal)).toBe('app: a\n')
    expect(await source.readFile(resolved, 'nothing.yaml', signal)).toBeNull()
    expect(await source.readFile(resolved, 'services', signal)).toBeNull()
    await expect(source.readFile(resolved, '../naru.yaml', signal)).rejects.toMatchObject({
      code: 'SOURCE_PATH_INVALID',
    })
  })
})

describe('what is wrong is said', () => {
  it('names the nearest branch or tag', async () => {
    commit(repository, { a: '1' })
    git(repository, ['branch', 'release'])
    await expect(resolve('relase')).rejects.toMatchObject({
      code: 'SOURCE_REF_NOT_FOUND',
      hint: 'Did you mean release?',
    })
    await expect(resolve('0123456')).rejects.toMatchObject({ code: 'SOURCE_REF_NOT_FOUND' })
    await expect(resolve('0'.repeat(40))).rejects.toMatchObject({ code: 'SOURCE_REF_NOT_FOUND' })
  })

  it('refuses a name that is both a branch and a tag of other commits', async () => {
    commit(repository, { a: '1' })
    git(repository, ['tag', 'both'])
    commit(repository, { a: '2' })
    git(repository, ['branch', 'both'])
    await expect(resolve('both')).rejects.toMatchObject({ code: 'SOURCE_REF_INVALID', hint: /refs\/heads\/both/ })
  })

  it('tells a missing folder, a folder without a repository, and one without a commit', async () => {
    await expect(resolve(null, join(folder.path, 'none'))).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' })
    await expect(resolve(null, emptyFolder('plain'))).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' })
    await expect(resolve(null)).rejects.toMatchObject({ code: 'SOURCE_REF_NOT_FOUND', hint: 'Commit something first.' })
  })

  it('tells that git is not installed', async () => {
    const without = gitSource({ cacheFolder: join(folder.path, 'cache'), env: { PATH: '/nonexistent' } })
    const settings = { kind: 'git', url: repository, ref: null, folder: '', submodules: false } as const
    await expect(without.resolve(settings, signal)).rejects.toMatchObject({ code: 'SOURCE_TOOL_MISSING' })
  })
})
