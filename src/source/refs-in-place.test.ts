import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { readInPlace } from './refs-in-place.ts'
import { commit, git, makeRepository, temporaryFolder } from './testing.ts'

let folder: ReturnType<typeof temporaryFolder>
let repository: string

beforeEach(() => {
  folder = temporaryFolder()
  repository = makeRepository(join(folder.path, 'shop'))
})
afterEach(() => folder.remove())

/** The commit, as git itself tells it. */
const asGit = (ref: string, at = repository) => git(at, ['rev-parse', ref])
const commitOf = async (ref: string | null, at = repository) => (await readInPlace(at, ref))?.refs[0]?.commit

it('reads HEAD and branches from their files and from packed-refs, as git does', async () => {
  commit(repository, { a: '1' })
  git(repository, ['branch', 'team/one'])
  git(repository, ['pack-refs', '--all'])
  commit(repository, { a: '2' })
  for (const ref of ['HEAD', 'main', 'team/one', 'refs/heads/main', 'refs/heads/team/one']) {
    expect(await commitOf(ref)).toBe(asGit(ref))
  }
  expect(await readInPlace(repository, null)).toEqual({
    objects: join(repository, '.git/objects'),
    format: 'sha1',
    refs: [{ name: 'HEAD', commit: asGit('HEAD') }],
  })
  git(repository, ['checkout', '-q', '--detach', 'team/one'])
  expect(await commitOf(null)).toBe(asGit('team/one'))
})

it('reads bare repositories, those of SHA-256, symbolic branches, and a HEAD that is a link', async () => {
  commit(repository, { a: '1' })
  git(folder.path, ['clone', '-q', '--bare', repository, 'bare.git'])
  expect(await commitOf('main', join(folder.path, 'bare.git'))).toBe(asGit('main'))
  const modern = makeRepository(join(folder.path, 'modern'), '--object-format=sha256')
  commit(modern, { a: '1' })
  expect(await readInPlace(modern, null)).toMatchObject({ format: 'sha256', refs: [{ commit: asGit('HEAD', modern) }] })
  git(repository, ['symbolic-ref', 'refs/heads/now', 'refs/heads/main'])
  expect(await commitOf('now')).toBe(asGit('main'))
  rmSync(join(repository, '.git/HEAD'))
  symlinkSync('refs/heads/main', join(repository, '.git/HEAD'))
  expect(await commitOf(null)).toBe(asGit('main'))
})

it('answers for a whole commit id without a look at refs', async () => {
  const id = commit(repository, { a: '1' })
  expect(await readInPlace(repository, id)).toMatchObject({ format: 'sha1', refs: [] })
})

it.each([
  ['a tag', (at: string) => git(at, ['tag', 'x'])],
  ['an annotated tag', (at: string) => git(at, ['tag', '-a', '-m', 'x', 'x'])],
  ['both a branch and a tag', (at: string) => git(at, ['branch', 'x']) + git(at, ['tag', 'x', 'HEAD~1'])],
  [
    'both, the tag packed',
    (at: string) => git(at, ['tag', 'x']) + git(at, ['pack-refs', '--all']) + git(at, ['branch', 'x']),
  ],
  ['nothing', () => ''],
  ['a loop', (at: string) => git(at, ['symbolic-ref', 'refs/heads/x', 'refs/heads/x'])],
  ['a file with other words', (at: string) => writeFileSync(join(at, '.git/refs/heads/x'), 'hello\n')],
  ['a device', (at: string) => symlinkSync('/dev/zero', join(at, '.git/refs/heads/x'))],
  ['a pipe', (at: string) => spawnSync('mkfifo', [join(at, '.git/refs/heads/x')])],
  ['a large file', (at: string) => writeFileSync(join(at, '.git/refs/heads/x'), 'a'.repeat(100_000))],
  ['a way out', (at: string) => writeFileSync(join(at, '.git/refs/heads/x'), 'ref: refs/../../../x\n')],
] as const)('leaves to git a name that is %s', async (_, make) => {
  commit(repository, { a: '1' })
  commit(repository, { a: '2' })
  make(repository)
  expect(await readInPlace(repository, 'x')).toBe(null)
})

it('leaves to git a linked work tree, a folder inside, one without a commit, and what is no repository', async () => {
  expect(await readInPlace(repository, null)).toBe(null)
  commit(repository, { 'inside/a': '1' })
  git(repository, ['worktree', 'add', '-q', '-b', 'topic', join(folder.path, 'linked')])
  const plain = join(folder.path, 'plain')
  mkdirSync(plain)
  for (const at of [join(folder.path, 'linked'), join(repository, 'inside'), plain, join(folder.path, 'none')]) {
    expect(await readInPlace(at, null)).toBe(null)
  }
})

/** git 2.45 has it. */
const reftable = spawnSync('git', ['init', '-h'], { encoding: 'utf8' }).stdout.includes('ref-format')
it.skipIf(!reftable)('leaves to git a repository with a reftable (this git cannot make one before 2.45)', async () => {
  const modern = makeRepository(join(folder.path, 'modern'), '--ref-format=reftable')
  commit(modern, { a: '1' })
  expect(await readInPlace(modern, null)).toBe(null)
  expect(await readInPlace(modern, 'main')).toBe(null)
})
