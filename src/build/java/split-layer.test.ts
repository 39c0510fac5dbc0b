import { describe, expect, it } from 'vitest'
import { bytesContent } from '../image/content.ts'
import type { Added, FileEntry } from '../image/file-entry.ts'
import { FOLDER, parentOf } from '../image/file-tree.ts'
import { indexedLayerOf, parseLayersIndex } from './layers-index.ts'
import { splitLayer } from './split-layer.ts'

const file = (text = ''): FileEntry => ({
  ...{ type: 'file', uid: 0, gid: 0, mode: 0o644, mtime: 'content' },
  content: bytesContent(Buffer.from(text)),
})

/** The files with all of their folders, as COPY adds them. */
function added(files: Readonly<Record<string, FileEntry>>): Added {
  const all: Added = new Map()
  for (const [path, entry] of Object.entries(files)) {
    for (let folder = parentOf(path); folder !== ''; folder = parentOf(folder)) all.set(folder, FOLDER)
    all.set(path, entry)
  }
  return all
}

async function parts(files: Readonly<Record<string, FileEntry>>) {
  const read = async (entry: FileEntry) =>
    entry.type === 'file' ? Buffer.concat([...entry.content.chunks()]).toString() : ''
  const all = added(files)
  const split = await splitLayer(all, read)
  const joined = split.flatMap((part) => [...part.added.keys()])
  expect(joined.toSorted()).toEqual([...all.keys()].toSorted())
  return Object.fromEntries(split.map((part) => [part.name, [...part.added.keys()].toSorted()]))
}

const INDEX = `- "dependencies":
  - "BOOT-INF/lib/"
- "spring-boot-loader":
  - "org/"
- "snapshot-dependencies":
- "application":
  - "BOOT-INF/classes/"
  - "BOOT-INF/classpath.idx"
  - "META-INF/"
`

describe('splitting a layer', () => {
  it('a WAR becomes libraries, snapshots, resources and classes', async () => {
    expect(
      await parts({
        'webapps/ROOT/WEB-INF/lib/spring.jar': file(),
        'webapps/ROOT/WEB-INF/lib/own-1.0-SNAPSHOT.jar': file(),
        'webapps/ROOT/WEB-INF/lib/own-1.0-20260102.030405-7.jar': file(),
        'webapps/ROOT/WEB-INF/classes/shop/A.class': file(),
        'webapps/ROOT/WEB-INF/classes/a.properties': file(),
        'webapps/ROOT/WEB-INF/web.xml': file(),
        'webapps/ROOT/index.jsp': file(),
        'webapps/ROOT/META-INF/MANIFEST.MF': file(),
      }),
    ).toEqual({
      dependencies: [
        ...['webapps', 'webapps/ROOT', 'webapps/ROOT/WEB-INF', 'webapps/ROOT/WEB-INF/lib'],
        'webapps/ROOT/WEB-INF/lib/spring.jar',
      ],
      'snapshot-dependencies': [
        'webapps/ROOT/WEB-INF/lib/own-1.0-20260102.030405-7.jar',
        'webapps/ROOT/WEB-INF/lib/own-1.0-SNAPSHOT.jar',
      ],
      resources: [
        'webapps/ROOT/WEB-INF/classes',
        'webapps/ROOT/WEB-INF/classes/a.properties',
        'webapps/ROOT/WEB-INF/web.xml',
        'webapps/ROOT/index.jsp',
      ],
      classes: [
        ...['webapps/ROOT/META-INF', 'webapps/ROOT/META-INF/MANIFEST.MF'],
        ...['webapps/ROOT/WEB-INF/classes/shop', 'webapps/ROOT/WEB-INF/classes/shop/A.class'],
      ],
    })
  })

  it('a Spring Boot jar becomes what its layers.idx says', async () => {
    expect(
      await parts({
        'BOOT-INF/lib/spring.jar': file(),
        'BOOT-INF/layers.idx': file(INDEX),
        'BOOT-INF/classes/A.class': file(),
        'org/springframework/boot/loader/L.class': file(),
        'META-INF/MANIFEST.MF': file(),
      }),
    ).toEqual({
      dependencies: ['BOOT-INF', 'BOOT-INF/lib', 'BOOT-INF/lib/spring.jar'],
      'spring-boot-loader': [
        ...['org', 'org/springframework', 'org/springframework/boot', 'org/springframework/boot/loader'],
        'org/springframework/boot/loader/L.class',
      ],
      application: [
        'BOOT-INF/classes',
        'BOOT-INF/classes/A.class',
        'BOOT-INF/layers.idx',
        'META-INF',
        'META-INF/MANIFEST.MF',
      ],
    })
  })

  it.each([
    ['what is no archive', { 'src/a': file(), 'src/NOTWEB-INF/lib/a.jar': file() }],
    [
      'hard links',
      { 'WEB-INF/lib/a.jar': file(), 'WEB-INF/lib/b.jar': { ...file(), linkTo: 'WEB-INF/lib/a.jar' } as FileEntry },
    ],
  ])('leaves %s in one layer', async (_what, files) => {
    expect(Object.keys(await parts(files))).toEqual([''])
  })

  it('an index in another form is passed over', async () => {
    const files = {
      'BOOT-INF/layers.idx': file('{}'),
      'BOOT-INF/lib/a.jar': file(),
      'BOOT-INF/classes/A.class': file(),
    }
    expect(Object.keys(await parts(files))).toEqual(['dependencies', 'classes'])
  })
})

describe('layers.idx', () => {
  const layers = parseLayersIndex(INDEX) ?? []
  it.each([
    ['BOOT-INF/lib/a.jar', 'dependencies'],
    ['BOOT-INF/classpath.idx', 'application'],
    ['else', 'application'],
    ['org/x', 'spring-boot-loader'],
  ])('%s is in %s', (path, name) => {
    expect(layers[indexedLayerOf(layers, path)]?.name).toBe(name)
  })

  it.each(['', '  - "a"', 'x', '- "a"\n', '- a:\n'])('%j is none', (text) => {
    expect(parseLayersIndex(text)).toBeNull()
  })
})
