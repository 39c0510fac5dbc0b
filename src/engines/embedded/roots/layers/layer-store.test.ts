import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MEDIA_TYPES } from '../../../../model/descriptor.ts'
import { run } from '../../../../os/run.ts'
import { type CraftedEntry, type CraftedLayer, craftLayer, craftTar, paxEntry } from '../testing.ts'
import { LAYER_LIMITS, type LayerLimits } from './layer-limits.ts'
import { LayerStore } from './layer-store.ts'

const { signal } = new AbortController()
const isRoot = process.geteuid?.() === 0
let scratch: string
let outside: string
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'naru-layers-'))
  outside = join(scratch, 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'victim'), 'untouched')
})
afterEach(() => rmSync(scratch, { recursive: true, force: true }))

const folder = () => join(scratch, 'layers')
const open = (limits: LayerLimits = LAYER_LIMITS, owners = isRoot) => LayerStore.open(folder(), { owners, limits })
const opened = (layers: readonly CraftedLayer[]) => (digest: string) => {
  const found = layers.find(({ descriptor }) => descriptor.digest === digest)
  return Promise.resolve(Readable.from(found === undefined ? [] : [found.bytes]))
}
async function unpack(layers: readonly CraftedLayer[], limits?: LayerLimits): Promise<readonly string[]> {
  const store = await open(limits)
  return (await store.unpack(layers, opened(layers), signal)).map((layer) => store.path(layer))
}
async function unpackEntries(...entries: readonly CraftedEntry[]): Promise<string> {
  const [path = ''] = await unpack([craftLayer(craftTar(...entries))])
  return path
}
/** Everything outside of the folder of layers, as text. */
const surroundings = () =>
  readdirSync(scratch, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.startsWith(folder()))
    .map((path) => {
      const stats = lstatSync(path)
      return `${path} ${stats.mode} ${stats.nlink} ${stats.isFile() ? readFileSync(path, 'utf8') : ''}`
    })
    .sort()

const frames = (parts: number) => (plain: Buffer) => {
  const size = Math.ceil(plain.length / parts)
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
  const pieces = Array.from({ length: parts }, (_, at) => zstdCompressSync(plain.subarray(at * size, (at + 1) * size)))
  return Buffer.concat([skippable, ...pieces.flatMap((piece) => [piece, skippable])])
}

describe('unpacking a layer', () => {
  const tar = craftTar(
    { name: 'app/', type: '5', mode: 0o555 },
    { name: 'app/하늘.txt', content: '안녕', mode: 0o600 },
    { name: 'app/run', content: 'x'.repeat(70_000), mode: 0o755 },
    { name: 'app/again', type: '1', link: 'app/run' },
    { name: 'etc/abs', type: '2', link: '/etc/passwd' },
  )
  it.each([
    ['tar', MEDIA_TYPES.layer, (plain: Buffer) => plain],
    ['tar+gzip', MEDIA_TYPES.layerGzip, gzipSync],
    [
      'tar+gzip of several members',
      MEDIA_TYPES.dockerLayerGzip,
      (plain: Buffer) => Buffer.concat([gzipSync(plain.subarray(0, 1000)), gzipSync(plain.subarray(1000))]),
    ],
    ['tar+zstd of one frame', MEDIA_TYPES.layerZstd, zstdCompressSync],
    ['tar+zstd of 9 frames and skippable ones', MEDIA_TYPES.layerZstd, frames(9)],
  ] as const)('reads %s', async (_name, mediaType, compress) => {
    const [path = ''] = await unpack([craftLayer(tar, mediaType, compress)])
    expect(readFileSync(join(path, 'app/하늘.txt'), 'utf8')).toBe('안녕')
    expect(lstatSync(join(path, 'app')).mode & 0o777).toBe(0o555)
    expect(lstatSync(join(path, 'app/run')).ino).toBe(lstatSync(join(path, 'app/again')).ino)
    expect(readlinkSync(join(path, 'etc/abs'))).toBe('/etc/passwd')
    expect(lstatSync(join(path, 'app/run')).mtimeMs).toBe(1_700_000_000_000)
  })

  it('unpacks a layer once, under a short name, and finds it again after a restart', async () => {
    const layer = craftLayer(craftTar({ name: 'a', content: 'a' }))
    const [first] = await unpack([layer])
    const again = await (await open()).unpack([layer], () => Promise.reject(new Error('read twice')), signal)
    expect(again.map(({ short }) => join(folder(), short))).toEqual([first])
    expect(again[0]?.short.length).toBeLessThanOrEqual(3)
  })

  it('removes at the next start what a killed process left', async () => {
    await unpack([craftLayer(craftTar({ name: 'a', content: 'a' }))])
    mkdirSync(join(folder(), '.7.part/etc'), { recursive: true })
    mkdirSync(join(folder(), '8'))
    await open()
    expect(readdirSync(folder()).sort()).toEqual(['1', 'index.json'])
  })

  it('lets the last of several entries of one name win', async () => {
    const path = await unpackEntries(
      { name: 'a', content: 'first' },
      { name: 'a', content: 'second' },
      { name: 'd/x', content: 'x' },
      { name: 'd', type: '2', link: 'a' },
      { name: 'd/', type: '5' },
      { name: 'd/y', content: 'y' },
    )
    expect(readFileSync(join(path, 'a'), 'utf8')).toBe('second')
    expect(readdirSync(join(path, 'd'))).toEqual(['y'])
  })

  it('reads names of PAX, GNU and ustar prefixes, and ignores global headers', async () => {
    const long = `${'긴이름/'.repeat(40)}파일`
    const path = await unpackEntries(
      paxEntry({ path: '/etc/global' }, 'g'),
      paxEntry({ path: long, size: '3' }),
      { name: 'short', content: 'pax' },
      { name: '././@LongLink', type: 'L', content: `${'g'.repeat(150)}\0` },
      { name: 'short', content: 'gnu' },
      { name: 'file', prefix: 'pre/fix', content: 'ustar' },
    )
    expect(readFileSync(join(path, long), 'utf8')).toBe('pax')
    expect(readFileSync(join(path, 'g'.repeat(150)), 'utf8')).toBe('gnu')
    expect(readFileSync(join(path, 'pre/fix/file'), 'utf8')).toBe('ustar')
    expect(readdirSync(path)).not.toContain('etc')
  })

  it('takes absolute paths as paths in the image', async () => {
    const path = await unpackEntries({ name: '/etc/passwd', content: 'image' })
    expect(readFileSync(join(path, 'etc/passwd'), 'utf8')).toBe('image')
  })

  it.runIf(isRoot)('keeps owners and set-id bits as root', async () => {
    const path = await unpackEntries({ name: 'su', mode: 0o4755, uid: 1000, gid: 4_000_000, content: 'x' })
    expect(lstatSync(join(path, 'su'))).toMatchObject({ mode: 0o104755, uid: 1000, gid: 4_000_000 })
  })

  it('drops set-id bits where owners collapse', async () => {
    const store = await open(LAYER_LIMITS, false)
    const layer = craftLayer(craftTar({ name: 'su', mode: 0o6755, uid: 1000, content: 'x' }))
    const [unpacked] = await store.unpack([layer], opened([layer]), signal)
    const stats = lstatSync(join(store.path(unpacked ?? expect.fail()), 'su'))
    expect([stats.mode & 0o7777, stats.uid]).toEqual([0o755, process.geteuid?.()])
  })
})

const out = (depth: number) => `${'../'.repeat(depth)}outside`
describe('an archive that reaches out (A6)', () => {
  it.each<[string, readonly CraftedEntry[]]>([
    ['climbs up', [{ name: '../outside/victim', content: 'evil' }]],
    ['climbs up from inside', [{ name: 'a/../../../outside/victim', content: 'evil' }]],
    [
      'writes through a relative link',
      [
        { name: 'l', type: '2', link: out(2) },
        { name: 'l/victim', content: 'evil' },
      ],
    ],
    [
      'writes through an absolute link',
      [
        { name: 'l', type: '2', link: '/tmp' },
        { name: 'l/naru-evil', content: 'evil' },
      ],
    ],
    [
      'writes through a chain of links',
      [
        { name: 'a/', type: '5' },
        { name: 'a/up', type: '2', link: '..' },
        { name: 'a/up2', type: '2', link: 'up/..' },
        { name: 'a/up2/outside/victim', content: 'evil' },
      ],
    ],
    [
      'makes a folder through a link',
      [
        { name: 'l', type: '2', link: out(2) },
        { name: 'l/new/', type: '5' },
      ],
    ],
    ['links hard to outside', [{ name: 'h', type: '1', link: '../../outside/victim' }]],
    ['links hard to an absolute path', [{ name: 'h', type: '1', link: '/etc/hostname' }]],
    [
      'links hard through links (CVE-2026-26960)',
      [
        { name: 'a/b/up', type: '2', link: '../..' },
        { name: 'a/c', type: '2', link: `b/up/${out(1)}` },
        { name: 'h', type: '1', link: 'a/c/victim' },
        { name: 'h', content: 'evil' },
      ],
    ],
    [
      'links hard to a folder',
      [
        { name: 'd/', type: '5' },
        { name: 'h', type: '1', link: 'd' },
      ],
    ],
    [
      'links hard to itself',
      [
        { name: 'h', content: 'x' },
        { name: 'h', type: '1', link: 'h' },
      ],
    ],
    ['brings a character device', [{ name: 'dev/mem', type: '3' }]],
    ['brings a block device', [{ name: 'dev/sda', type: '4' }]],
    ['brings a pipe', [{ name: 'pipe', type: '6' }]],
    ['overrides a path by PAX', [paxEntry({ path: '../../outside/victim' }), { name: 'good', content: 'evil' }]],
    [
      'overrides a link by PAX',
      [paxEntry({ linkpath: '../../outside/victim' }), { name: 'h', type: '1', link: 'good' }],
    ],
    ['hides a NUL in a PAX path', [paxEntry({ path: 'good\0/../../../outside/victim' }), { name: 'good' }]],
    ['has a PAX record that is too long', [{ name: 'x', type: 'x', content: '99 path=a\n' }, { name: 'a' }]],
    ['has a negative PAX size', [paxEntry({ size: '-1' }), { name: 'a' }]],
    ['has a negative size', [{ name: 'a', size: '\xff'.repeat(12) }]],
    ['has a size that is no number', [{ name: 'a', size: '00000000zz9\0' }]],
    ['has a size beyond its end', [{ name: 'a', size: '00077777777\0' }]],
    ['has an unknown type', [{ name: 'a', type: 'Z' }]],
    ['has a sparse file', [{ name: 'a', type: 'S' }]],
    ['has a name of 300 bytes', [paxEntry({ path: 'n'.repeat(300) }), { name: 'a' }]],
    ['deletes the parent by a whiteout', [{ name: 'a/.wh...' }]],
  ])('is refused when it %s', async (_name, entries) => {
    const before = surroundings()
    await expect(unpackEntries(...entries)).rejects.toMatchObject({ code: 'IMAGE_INVALID' })
    expect(surroundings()).toEqual(before)
    expect(readdirSync(folder()).filter((name) => name !== 'index.json')).toEqual([])
  })

  it('is refused when a header checksum is wrong', async () => {
    const tar = craftTar({ name: 'a', content: 'a' })
    tar[0] = 0x62
    await expect(unpack([craftLayer(tar)])).rejects.toMatchObject({ code: 'IMAGE_INVALID' })
  })
})

describe('a damaged layer (F15)', () => {
  const tar = craftTar({ name: 'a', content: 'a'.repeat(5000) }, { name: 'b', content: 'b' })
  it.each([
    ['tar', MEDIA_TYPES.layer, (plain: Buffer) => plain],
    ['gzip', MEDIA_TYPES.layerGzip, gzipSync],
    ['zstd', MEDIA_TYPES.layerZstd, zstdCompressSync],
  ] as const)('is not kept when any byte of a %s is flipped', async (_name, mediaType, compress) => {
    const layer = craftLayer(tar, mediaType, compress)
    for (const at of [0, 11, Math.floor(layer.bytes.length / 2), layer.bytes.length - 1]) {
      const bytes = Buffer.from(layer.bytes)
      bytes[at] = (bytes[at] ?? 0) ^ 0x10
      await expect(unpack([{ ...layer, bytes }])).rejects.toMatchObject({
        code: expect.stringMatching(/IMAGE_INVALID|DIGEST_MISMATCH/),
      })
    }
    expect(readdirSync(folder()).filter((name) => name !== 'index.json')).toEqual([])
    await unpack([layer])
  })

  it('is refused when its end is missing, or the diffID is another', async () => {
    const layer = craftLayer(tar, MEDIA_TYPES.layerZstd, zstdCompressSync)
    const short = { ...layer, bytes: layer.bytes.subarray(0, -3) }
    await expect(unpack([short])).rejects.toMatchObject({ code: 'IMAGE_INVALID' })
    const other = { ...layer, diffId: craftLayer(craftTar()).diffId }
    await expect(unpack([other])).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
    const rubbish = craftLayer(tar, MEDIA_TYPES.layerZstd, (plain) =>
      Buffer.concat([zstdCompressSync(plain), Buffer.from('rubbish')]),
    )
    await expect(unpack([rubbish])).rejects.toMatchObject({ code: 'IMAGE_INVALID' })
  })
})

describe('a bomb (A7)', () => {
  const small = { ...LAYER_LIMITS, bytes: 10e6, freeBytes: 1e5, ratio: 20, entries: 50, depth: 10 }
  it.each([
    ['bytes', craftTar({ name: 'a', content: Buffer.alloc(11e6, 'x') }), MEDIA_TYPES.layer, (plain: Buffer) => plain],
    ['gzip ratio', craftTar({ name: 'a', content: Buffer.alloc(5e6) }), MEDIA_TYPES.layerGzip, gzipSync],
    ['zstd ratio', craftTar({ name: 'a', content: Buffer.alloc(5e6) }), MEDIA_TYPES.layerZstd, zstdCompressSync],
    [
      'entries',
      craftTar(...Array.from({ length: 51 }, (_, at) => ({ name: `f${at}` }))),
      MEDIA_TYPES.layerGzip,
      gzipSync,
    ],
    ['depth', craftTar({ name: 'd/'.repeat(11), type: '5' }), MEDIA_TYPES.layerGzip, gzipSync],
    ['header', craftTar({ name: 'x', type: 'x', content: Buffer.alloc(2e6) }), MEDIA_TYPES.layerGzip, gzipSync],
  ] as const)('ends at the limit of %s', async (_name, tar, mediaType, compress) => {
    await expect(unpack([craftLayer(tar, mediaType, compress)], small)).rejects.toMatchObject({ code: 'IMAGE_INVALID' })
  })
})

describe('merged layers', () => {
  const below = craftTar(
    { name: 'etc/a', content: 'a' },
    { name: 'etc/b', content: 'b' },
    { name: 'lib/x/y', content: 'y' },
    { name: 'bin', type: '2', link: 'lib' },
    { name: 'keep', content: 'keep' },
  )
  const above = craftTar(
    { name: 'etc/.wh.a' },
    { name: 'lib/x/.wh..wh..opq' },
    { name: 'lib/x/z', content: 'z' },
    { name: 'bin/', type: '5' },
    { name: 'bin/new', content: 'new' },
    { name: 'bin/.wh.gone' },
  )
  it('delete what a whiteout names, hide what is below an opaque folder, and let folders replace links', async () => {
    const store = await open()
    const layers = [craftLayer(below), craftLayer(above)]
    const lowers = await store.lowers(await store.unpack(layers, opened(layers), signal), signal)
    expect(lowers).toHaveLength(1)
    const root = store.path(lowers[0] ?? expect.fail())
    const paths = readdirSync(root, { recursive: true }).sort()
    expect(paths).toEqual(['bin', 'bin/new', 'etc', 'etc/b', 'keep', 'lib', 'lib/x', 'lib/x/z'])
  })

  it('are not needed when nothing is deleted: the lowers are the layers, top first', async () => {
    const store = await open()
    const layers = [craftLayer(below), craftLayer(craftTar({ name: 'etc/c', content: 'c' }))]
    const lowers = await store.lowers(await store.unpack(layers, opened(layers), signal), signal)
    expect(lowers.map(({ short }) => short)).toEqual(['2', '1'])
  })

  it('are not needed for a layer that an image has twice: the topmost counts', async () => {
    const store = await open()
    const [one, two] = [craftLayer(below), craftLayer(craftTar({ name: 'keep', content: 'other' }))]
    const lowers = await store.lowers(await store.unpack([one, two, one], opened([one, two]), signal), signal)
    expect(lowers.map(({ short }) => short)).toEqual(['1', '2'])
  })

  it.runIf(isRoot)(
    'keep the owner and mode of a folder that an upper layer does not describe (needs root: owners)',
    async () => {
      const store = await open()
      const lower = craftTar({ name: 'app/', type: '5', uid: 1000, mode: 0o700 }, { name: 'app/a', content: 'a' })
      const layers = [craftLayer(lower), craftLayer(craftTar({ name: 'app/new', content: 'new' }))]
      const lowers = await store.lowers(await store.unpack(layers, opened(layers), signal), signal)
      expect(lowers).toHaveLength(1)
      const app = join(store.path(lowers[0] ?? expect.fail()), 'app')
      expect(lstatSync(app)).toMatchObject({ uid: 1000, mode: 0o40700 })
      expect(readdirSync(app)).toEqual(['a', 'new'])
    },
  )

  it('and single ones are pruned when nothing uses them, twice without harm', async () => {
    const store = await open()
    const layers = [craftLayer(below), craftLayer(above)]
    const [first] = await store.unpack(layers, opened(layers), signal)
    await store.prune(new Set([first?.short ?? '']))
    await store.prune(new Set([first?.short ?? '']))
    expect(readdirSync(folder()).sort()).toEqual(['1', 'index.json'])
  })
})

describe('a full disk (F6)', () => {
  it.runIf(isRoot)(
    'gives DISK_FULL, keeps nothing, and the layer unpacks when there is room (needs root: tmpfs)',
    async () => {
      mkdirSync(folder())
      const tools = { env: { PATH: process.env.PATH ?? '' }, timeoutMs: 20_000, signal }
      const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'naru-test', folder()], tools)
      expect(mounted.code).toBe(0)
      try {
        const layer = craftLayer(craftTar({ name: 'big', content: Buffer.alloc(30e6, 'abcdefghijk') }))
        const huge = { ...layer, descriptor: { ...layer.descriptor, size: 30e6 } }
        await expect(unpack([huge])).rejects.toMatchObject({
          code: 'DISK_FULL',
          detail: { needed: expect.any(Number) },
        })
        await expect(unpack([layer])).rejects.toMatchObject({ code: 'DISK_FULL' })
        expect(readdirSync(folder()).filter((name) => name !== 'index.json')).toEqual([])
        await run('mount', ['-o', 'remount,size=80m', folder()], tools)
        await unpack([layer])
      } finally {
        await run('umount', ['--lazy', '--', folder()], tools)
      }
    },
  )
})
