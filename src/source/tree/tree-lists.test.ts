import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { SourceEntry } from '../source.ts'
import { type ReadTrees, TreeLists } from './tree-lists.ts'

const ID = 'a'.repeat(40)
type Line = readonly [mode: string, name: string, id?: string]

/** Trees by their ids, and how they were asked for. */
class Trees {
  readonly #trees = new Map<string, Buffer>()
  readonly asked: string[][] = []

  /** Puts one tree, and answers its id. */
  put(...lines: readonly Line[]): string {
    const parts = lines.flatMap(([mode, name, id = ID]) => [Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')])
    const bytes = Buffer.concat(parts)
    const id = createHash('sha1').update(bytes).digest('hex')
    this.#trees.set(id, bytes)
    return id
  }

  /** The trees of files by their paths, in the order given. */
  putPaths(files: readonly Line[]): string {
    const byFirst = Map.groupBy(files, ([, path]) => path.split('/')[0] ?? '')
    const lines = [...byFirst].flatMap(([name, group]): Line[] => {
      const below = group.flatMap(([mode, path]): Line[] => {
        const slash = path.indexOf('/')
        return slash < 0 ? [] : [[mode, path.slice(slash + 1)]]
      })
      const own = group.filter(([, path]) => !path.includes('/'))
      return below.length === 0 ? own : [...own, ['40000', name, this.putPaths(below)]]
    })
    return this.put(...lines)
  }

  readonly read: ReadTrees = async (ids) => {
    this.asked.push([...ids])
    return new Map(ids.map((id) => [id, this.#trees.get(id) ?? Buffer.from('damaged')]))
  }
}

function listed(...files: readonly Line[]): Promise<readonly SourceEntry[] | null> {
  const trees = new Trees()
  return new TreeLists().of(trees.putPaths(files), trees.read)
}

it('reads files, executable ones, links, and modes of old commits', async () => {
  const entries = await listed(
    ['100644', 'a/b c'],
    ['100755', 'run'],
    ['120000', 'to'],
    ['100664', 'old'],
    ['100775', 'old.sh'],
  )
  expect(entries?.map(({ path, kind }) => `${kind} ${path}`)).toEqual([
    'file a/b c',
    'executable run',
    'symlink to',
    'file old',
    'executable old.sh',
  ])
  expect(await listed()).toEqual([])
})

describe('what is remembered', () => {
  it('is not read again: of a changed file, only the trees above it', async () => {
    const trees = new Trees()
    const lists = new TreeLists()
    const still = trees.putPaths([
      ['100644', 'deep/er/one'],
      ['100644', 'deep/two'],
    ])
    const before = trees.put(['40000', 'a', trees.put(['100644', 'x'])], ['40000', 'b', still])
    const changed = trees.put(['100644', 'x', 'b'.repeat(40)])
    const after = trees.put(['40000', 'a', changed], ['40000', 'b', still])
    const paths = ['a/x', 'b/deep/er/one', 'b/deep/two']
    expect((await lists.of(before, trees.read))?.map(({ path }) => path)).toEqual(paths)
    expect(trees.asked.map((ids) => ids.length)).toEqual([1, 2, 1, 1])
    expect((await lists.of(after, trees.read))?.map(({ path, id }) => `${path} ${id[0]}`)).toEqual([
      'a/x b',
      'b/deep/er/one a',
      'b/deep/two a',
    ])
    expect(trees.asked.slice(4)).toEqual([[after], [changed]])
    await lists.of(after, trees.read)
    expect(trees.asked.length).toBe(6)
  })

  it('stays bounded, and a list that is being made loses nothing by it', async () => {
    const trees = new Trees()
    const lists = new TreeLists()
    const many = (start: number) =>
      trees.put(...Array.from({ length: 90_000 }, (_, at): Line => ['100644', `f${start + at}`]))
    const roots = [0, 1, 2, 3].map((at) => trees.put(['40000', 'd', many(at)]))
    const lengths = await Promise.all(roots.map(async (root) => (await lists.of(root, trees.read))?.length))
    expect(lengths).toEqual([90_000, 90_000, 90_000, 90_000])
    trees.asked.length = 0
    expect((await lists.of(roots[0] ?? '', trees.read))?.length).toBe(90_000)
    expect(trees.asked.length).toBeGreaterThan(0)
  })
})

it('refuses trees that name each other until nobody could hold their files', async () => {
  const trees = new Trees()
  let tree = trees.put(['100644', 'a'], ['100644', 'b'])
  for (let level = 0; level < 30; level++) tree = trees.put(['40000', 'a', tree], ['40000', 'b', tree])
  await expect(new TreeLists().of(tree, trees.read)).rejects.toMatchObject({ code: 'SOURCE_TOO_LARGE' })
})

it('leaves a damaged tree, and one that is too deep, to the checkout', async () => {
  const trees = new Trees()
  expect(await new TreeLists().of(ID, trees.read)).toBe(null)
  let tree = trees.put(['100644', 'a'])
  for (let level = 0; level < 2100; level++) tree = trees.put(['40000', 'a', tree])
  expect(await new TreeLists().of(tree, trees.read)).toBe(null)
})

it.each([
  '.gitignore',
  'a/.gitattributes',
  '.gitmodules',
  '.github/x',
  '.gitlab-ci.yml',
  'git',
  'git.c',
  'gitea',
  'digit~1',
  '..a',
  'a..',
  'a.git/x',
  '한글/파일',
  'a:b',
  ' a ',
  'a\nb',
])('takes %j as it is', async (path) => {
  expect((await listed(['100644', path]))?.map((entry) => entry.path)).toEqual([path])
})

it.each([
  '.git',
  '.git/config',
  'a/.GIT/x',
  'git~1',
  'GIT~2/x',
  'gi7eba~1',
  '.g\u200cit',
  '.git ',
  '.git.',
  '.git::$INDEX_ALLOCATION',
  '.git\u200c',
  '..',
  'a/../b',
  '.',
  '/a',
  'a//b',
  'a/',
  'a\\b',
  '.git\\config',
  'x'.repeat(256),
])('leaves %j to the checkout', async (path) => {
  expect(await listed(['100644', path])).toBe(null)
})

it.each([
  ['a submodule', [['160000', 'lib']]],
  [
    'a file twice',
    [
      ['100644', 'a'],
      ['100644', 'a'],
    ],
  ],
  [
    'a file that is also a folder',
    [
      ['100644', 'a/b'],
      ['120000', 'a'],
    ],
  ],
  ['a link in place of a file of git', [['120000', '.gitmodules']]],
  ["a link in a folder that is named as git's", [['120000', '.github/a']]],
] as const)('leaves %s to the checkout', async (_, lines) => {
  expect(await listed(...lines)).toBe(null)
})
