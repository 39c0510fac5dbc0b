import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, deflateRawSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { unpackArchives } from './unpack-archives.ts'

interface Part {
  readonly name: string
  readonly text?: string
  /** What the directory says in place of the truth. */
  readonly lie?: { plainBytes?: number; crc?: number; mode?: number; flags?: number; method?: number }
}

/** A zip file, as `jar` writes it: local headers, then the directory. */
function zip(parts: readonly Part[], { zip64 = false } = {}): Buffer {
  const local: Buffer[] = []
  const central: Buffer[] = []
  let offset = 0
  for (const { name, text = '', lie = {} } of parts) {
    const plain = Buffer.from(text)
    const packed = name.endsWith('/') ? plain : deflateRawSync(plain)
    const method = lie.method ?? (name.endsWith('/') ? 0 : 8)
    const head = Buffer.alloc(30)
    head.writeUInt32LE(0x04034b50, 0)
    head.writeUInt16LE(Buffer.byteLength(name), 26)
    const record = Buffer.alloc(46)
    record.writeUInt32LE(0x02014b50, 0)
    record.writeUInt16LE(lie.flags ?? 0, 8)
    record.writeUInt16LE(method, 10)
    record.writeUInt32LE(lie.crc ?? crc32(plain), 16)
    record.writeUInt32LE(packed.length, 20)
    record.writeUInt32LE(lie.plainBytes ?? plain.length, 24)
    record.writeUInt16LE(Buffer.byteLength(name), 28)
    record.writeUInt32LE(((lie.mode ?? 0o100644) << 16) >>> 0, 38)
    record.writeUInt32LE(offset, 42)
    local.push(head, Buffer.from(name), packed)
    central.push(record, Buffer.from(name))
    offset += head.length + Buffer.byteLength(name) + packed.length
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(parts.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(offset, 16)
  if (!zip64) return Buffer.concat([...local, directory, end])
  const record = Buffer.alloc(56)
  record.writeUInt32LE(0x06064b50, 0)
  for (const [at, value] of [
    [32, parts.length],
    [40, directory.length],
    [48, offset],
  ] as const)
    record.writeBigUInt64LE(BigInt(value), at)
  const locator = Buffer.alloc(20)
  locator.writeUInt32LE(0x07064b50, 0)
  locator.writeBigUInt64LE(BigInt(offset + directory.length), 8)
  end.fill(0xff, 10, 20)
  return Buffer.concat([...local, directory, record, locator, end])
}

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'naru-zip-'))
  await mkdir(join(root, 'target'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

const put = (bytes: Buffer, name = 'shop-1.0.war') => writeFile(join(root, 'target', name), bytes)
const unpack = (archives: Record<string, string> = { 'target/*.war': 'image/shop' }) =>
  unpackArchives(root, archives, () => {}, new AbortController().signal)

describe('build.unpack', () => {
  it.each([false, true])('lays the files of an archive into a new folder (zip64: %s)', async (zip64) => {
    await put(
      zip(
        [{ name: 'WEB-INF/' }, { name: 'WEB-INF/web.xml', text: '<web/>' }, { name: 'a/b/긴', text: 'x'.repeat(9) }],
        { zip64 },
      ),
    )
    await unpack()
    expect(await readFile(join(root, 'image/shop/WEB-INF/web.xml'), 'utf8')).toBe('<web/>')
    expect(await readFile(join(root, 'image/shop/a/b/긴'), 'utf8')).toBe('xxxxxxxxx')
    expect((await stat(join(root, 'image/shop/a/b/긴'))).mode & 0o777).toBe(0o644)
  })

  it.each<[string, readonly Part[] | Buffer]>([
    ['is no zip', Buffer.from('PK no')],
    ['is empty', Buffer.alloc(0)],
    ['names what is above it', [{ name: '../x', text: 'x' }]],
    ['names a path of the machine', [{ name: '/etc/x', text: 'x' }]],
    ['names with backslashes', [{ name: '..\\x', text: 'x' }]],
    ['has a link', [{ name: 'l', text: '/etc', lie: { mode: 0o120777 } }]],
    [
      'has a file twice',
      [
        { name: 'a', text: 'x' },
        { name: 'a', text: 'y' },
      ],
    ],
    [
      'has a file where a folder is',
      [
        { name: 'a', text: 'x' },
        { name: 'a/b', text: 'y' },
      ],
    ],
    ['has other bytes than it says', [{ name: 'a', text: 'x', lie: { crc: 1 } }]],
    ['grows beyond what it says', [{ name: 'a', text: 'x'.repeat(1000), lie: { plainBytes: 10 } }]],
    ['is a bomb', [{ name: 'a', text: 'x', lie: { plainBytes: 2 ** 31 } }]],
    ['is encrypted', [{ name: 'a', text: 'x', lie: { flags: 1 } }]],
    ['is compressed in another way', [{ name: 'a', text: 'x', lie: { method: 12 } }]],
    ['is cut', zip([{ name: 'a', text: 'x' }]).subarray(10)],
  ])('refuses an archive that %s (A6, A7)', async (_what, parts) => {
    await put(Buffer.isBuffer(parts) ? parts : zip(parts))
    await expect(unpack()).rejects.toMatchObject({
      code: 'BUILD_SOURCE_INVALID',
      message: expect.stringContaining('target/shop-1.0.war'),
    })
    expect(await readdir(root)).not.toContain('x')
  })

  it.each([
    ['nothing', async () => {}],
    ['two files', async () => Promise.all([put(zip([]), 'a.war'), put(zip([]), 'b.war')])],
  ])('refuses a pattern that fits %s', async (_what, make) => {
    await make()
    await expect(unpack()).rejects.toMatchObject({ code: 'BUILD_COPY_SOURCE_MISSING' })
  })

  it('refuses a folder that is there, and links on the way', async () => {
    await put(zip([{ name: 'a', text: 'x' }]))
    await expect(unpack({ 'target/*.war': 'target' })).rejects.toMatchObject({ code: 'BUILD_SOURCE_INVALID' })
    await symlink('/etc', join(root, 'out'))
    await expect(unpack({ 'target/*.war': 'out/naru' })).rejects.toMatchObject({ code: 'BUILD_PATH_ESCAPES' })
    await expect(unpack({ 'out/passwd': 'x' })).rejects.toMatchObject({ code: 'BUILD_PATH_ESCAPES' })
    await symlink('shop-1.0.war', join(root, 'target', 'link'))
    await expect(unpack({ 'target/link': 'x' })).rejects.toMatchObject({ code: 'BUILD_SOURCE_INVALID' })
  })
})
