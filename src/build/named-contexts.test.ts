import { describe, expect, it } from 'vitest'
import { failure } from './run/testing.ts'
import { aBuild } from './testing.ts'

const FILES = {
  a: 'A',
  'other/b': 'B',
  'other/left-out': 'no',
  'other/.dockerignore': 'left-out\n.dockerignore',
  out: { link: '/etc' },
}

describe('a named context', () => {
  it.each([
    [
      'of --from= is a folder of the commit, less its own .dockerignore',
      'FROM scratch\nCOPY --from=deps . /x/',
      { deps: 'other' },
      { x: 'd 755 0:0', 'x/b': 'f 644 0:0 B' },
    ],
    [
      'goes before a stage of its name',
      'FROM scratch AS deps\nCOPY a /\nFROM scratch\nCOPY --from=deps b /',
      { deps: './other/' },
      { b: 'f 644 0:0 B' },
    ],
    [
      'of FROM is the file system to begin with',
      'FROM deps\nCOPY a /',
      { DEPS: 'other' },
      { a: 'f 644 0:0 A', b: 'f 644 0:0 B' },
    ],
    ['may be an image', 'FROM scratch\nCOPY --from=deps a /', { deps: 'docker-image://shop:v1' }, { a: 'f 644 0:0 A' }],
    [
      'in place of an image',
      'FROM docker.io/library/node:24\nCOPY other/b /',
      { 'docker.io/library/node:24': 'docker-image://shop:v1' },
      { a: 'f 644 0:0 A', b: 'f 644 0:0 B' },
    ],
  ])('%s', async (_name, Dockerfile, contexts, expected) => {
    await using build = await aBuild({ ...FILES, Dockerfile: 'FROM scratch\nCOPY a /\n' })
    await build.run()
    await build.write({ Dockerfile })
    const destination = { store: build.store, repository: 'result', tags: ['1'] }
    expect((await build.image({ contexts, destination })).files).toEqual(expected)
  })

  it.each([
    ['a folder above', '../other', 'BUILD_PATH_ESCAPES'],
    ['an absolute folder', '/etc', 'BUILD_PATH_ESCAPES'],
    ['a link out of the commit', 'out', 'BUILD_PATH_ESCAPES'],
    ['a file', 'a', 'BUILD_COPY_SOURCE_MISSING'],
    ['an image layout', 'oci-layout:///tmp/x', 'DOCKERFILE_NOT_SUPPORTED'],
    ['an archive somewhere', 'https://example.com/a.tgz', 'DOCKERFILE_NOT_SUPPORTED'],
  ])('is refused when it is %s', async (_name, what, code) => {
    await using build = await aBuild({ ...FILES, Dockerfile: 'FROM scratch\nCOPY --from=deps . /\n' })
    expect((await failure(build, { contexts: { deps: what } })).code).toBe(code)
  })
})
