import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { gitSource } from '../git-source.ts'
import type { Source, SourceTree } from '../source.ts'
import { commit, git, makeRepository, temporaryFolder } from '../testing.ts'

let folder: ReturnType<typeof temporaryFolder>
let source: Source
let repository: string
let stop: AbortController

beforeEach(() => {
  stop = new AbortController()
  folder = temporaryFolder()
  source = gitSource({ cacheFolder: join(folder.path, 'cache'), env: process.env })
  repository = makeRepository(join(folder.path, 'shop'))
})
afterEach(() => {
  stop.abort()
  folder.remove()
})

async function open(): Promise<SourceTree> {
  const asked = { kind: 'git', url: repository, ref: null, folder: '', submodules: false } as const
  const tree = await source.open(await source.resolve(asked, stop.signal), stop.signal)
  if (tree === null) throw new Error('no tree')
  return tree
}

/** Texts in the order in which they came. */
async function read(tree: SourceTree, paths: readonly string[]): Promise<string[]> {
  const ids = paths.map((path) => tree.entries.find((entry) => entry.path === path)?.id ?? '')
  const texts: string[] = []
  await tree.read(ids, () => {
    const at = texts.push('') - 1
    return (part) => {
      texts[at] += Buffer.from(part).toString('latin1')
    }
  })
  return texts
}

it('reads what is asked, in that order, as often as asked: empty, binary, large', async () => {
  const large = 'x\n'.repeat(700_000)
  commit(repository, { a: 'one', 'b/c': '', d: '\n\0\n', large })
  const tree = await open()
  expect(await read(tree, ['large', 'd', 'b/c', 'a', 'a'])).toEqual([large, '\n\0\n', '', 'one', 'one'])
  const [first, second] = await Promise.all([read(tree, ['a', 'large']), read(tree, ['d'])])
  expect([first, second]).toEqual([['one', large], ['\n\0\n']])
  await tree.close()
})

it('keeps to its commit, whatever the work tree and later commits are', async () => {
  commit(repository, { a: 'one', gone: 'x' })
  const tree = await open()
  git(repository, ['rm', '-q', 'gone'])
  commit(repository, { a: 'two' })
  expect(await read(tree, ['a', 'gone'])).toEqual(['one', 'x'])
  await tree.close()
})

it('says what is missing, and reads nothing after that', async () => {
  commit(repository, { a: 'one', b: 'two' })
  const tree = await open()
  const id = tree.entries.find(({ path }) => path === 'b')?.id ?? ''
  rmSync(join(repository, '.git/objects', id.slice(0, 2), id.slice(2)))
  await expect(read(tree, ['a', 'b'])).rejects.toMatchObject({ code: 'SOURCE_FETCH_FAILED' })
  await expect(read(tree, ['a'])).rejects.toMatchObject({ code: 'SOURCE_FETCH_FAILED' })
  await tree.close()
})

it('ends with its signal, and after it was closed', async () => {
  commit(repository, { a: 'one' })
  const closed = await open()
  await closed.close()
  await closed.close()
  await expect(read(closed, ['a'])).rejects.toThrow()
  const aborted = await open()
  stop.abort(new Error('enough'))
  await expect(read(aborted, ['a'])).rejects.toThrow()
  await aborted.close()
})
