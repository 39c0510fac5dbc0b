import { expect, it } from 'vitest'
import { treeEntries } from './tree-entries.ts'

const ID = 'a'.repeat(40)
const listed = (...lines: readonly (readonly [mode: string, path: string])[]) =>
  lines.map(([mode, path]) => `${mode} ${mode === '160000' ? 'commit' : 'blob'} ${ID}\t${path}\0`).join('')

it('reads files, executable ones, links, and modes of old commits', () => {
  const text = listed(['100644', 'a/b c'], ['100755', 'run'], ['120000', 'to'], ['100664', 'old'], ['100775', 'old.sh'])
  expect(treeEntries(text)?.map(({ path, kind }) => `${kind} ${path}`)).toEqual([
    'file a/b c',
    'executable run',
    'symlink to',
    'file old',
    'executable old.sh',
  ])
  expect(treeEntries('')).toEqual([])
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
])('takes %j as it is', (path) => {
  expect(treeEntries(listed(['100644', path]))?.map((entry) => entry.path)).toEqual([path])
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
])('leaves %j to the checkout', (path) => {
  expect(treeEntries(listed(['100644', path]))).toBe(null)
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
  ['a folder that is listed', [['40000', 'a']]],
] as const)('leaves %s to the checkout', (_, lines) => {
  expect(treeEntries(listed(...lines))).toBe(null)
})
