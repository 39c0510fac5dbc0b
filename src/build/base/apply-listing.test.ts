import { describe, expect, it } from 'vitest'
import type { ContentStore } from '../../registry/content-store.ts'
import { applyListing } from './apply-listing.ts'
import { FileTree } from '../image/file-tree.ts'
import type { Listed } from './layer-listing.ts'

const source = (diffId: string) => ({
  store: {} as ContentStore,
  repository: 'x',
  layer: { mediaType: '', digest: '', size: 0 },
  diffId,
})
const listed = (p: string, t: Listed['t'] = 'f', l?: string): Listed => ({
  p,
  t,
  m: 0o644,
  u: 0,
  g: 0,
  s: 1,
  at: 5,
  ...(l === undefined ? {} : { l }),
})

function tree(...layers: (readonly Listed[])[]): readonly string[] {
  const result = new FileTree()
  for (const [at, layer] of layers.entries()) applyListing(result, layer, source(`sha256:${at}`))
  return [...result.entriesByPath].map(([path, { type }]) => `${path} ${type}`).sort()
}

// The rules of the image specification, layer.md, "Applying Changesets".
describe('applyListing', () => {
  it.each<[string, (readonly Listed[])[], string[]]>([
    ['adds what a layer has, with missing parents', [[listed('a/b')]], ['a directory', 'a/b file']],
    [
      'removes what a whiteout names, with all in it',
      [[listed('a/b/c'), listed('a/d')], [listed('a/.wh.b')]],
      ['a directory', 'a/d file'],
    ],
    [
      'empties an opaque folder of what was below only',
      [[listed('a/b')], [listed('a/c'), listed('a/.wh..wh..opq')]],
      ['a directory', 'a/c file'],
    ],
    ['removes before it adds', [[listed('a/b')], [listed('a'), listed('.wh.a')]], ['a file']],
    ['lets a file take the place of a folder', [[listed('a/b')], [listed('a')]], ['a file']],
    ['keeps what is in a folder that comes again', [[listed('a/b')], [listed('a', 'd')]], ['a directory', 'a/b file']],
    [
      'follows links of the image in the path',
      [[listed('usr/lib', 'd'), listed('lib', 's', 'usr/lib')], [listed('lib/x')]],
      ['lib symlink', 'usr directory', 'usr/lib directory', 'usr/lib/x file'],
    ],
    [
      'never follows a link out of the image',
      [[listed('out', 's', '../../etc')], [listed('out/x')]],
      ['etc directory', 'etc/x file', 'out symlink'],
    ],
    ['takes a hard link for its file', [[listed('a'), listed('b', 'h', 'a')]], ['a file', 'b file']],
    ['leaves a hard link to nothing out', [[listed('b', 'h', 'a')]], []],
    ['ignores a whiteout of nothing', [[listed('.wh.x')]], []],
  ])('%s', (_name, layers, expected) => {
    expect(tree(...layers)).toEqual(expected)
  })
})
