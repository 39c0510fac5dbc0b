import { DeployError } from '../../model/failure.ts'

/** A file or folder of a zip archive, as its central directory has it (APPNOTE.TXT 4.3.12). */
export interface ZipEntry {
  /** Path without a slash at its end. */
  readonly path: string
  readonly isFolder: boolean
  readonly method: 'stored' | 'deflated'
  readonly crc32: number
  readonly packedBytes: number
  readonly plainBytes: number
  /** Where its local header begins. */
  readonly offset: number
}

/** Far above any jar or WAR (A7). */
export const ZIP_LIMITS = { entries: 500_000, plainBytes: 8 * 2 ** 30, ratio: 400, freeBytes: 256 * 2 ** 20 } as const

const CENTRAL = 0x02014b50
const END = 0x06054b50
const END64 = 0x06064b50
const LOCATOR64 = 0x07064b50
/** The end record with the longest comment, and the locator before it. */
export const END_BYTES = 22 + 65_535 + 20

/** Where the central directory is. `offset` of the end record counts from the file's start. */
export interface Directory {
  readonly entries: number
  readonly offset: number
  readonly bytes: number
}

/** BUILD_SOURCE_INVALID. */
export const unusable = (problem: string, cause?: unknown): DeployError =>
  new DeployError('BUILD_SOURCE_INVALID', `the archive ${problem}`, {
    hint: 'Nothing was built. Look at it with: unzip -l; make it again with the build tool.',
    cause,
  })

/** Finds the central directory from the last bytes of a file. 'zip64': its place is in the record at `at`. */
export function findDirectory(tail: Buffer): Directory | { readonly zip64At: number } {
  for (let at = tail.length - 22; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== END || at + 22 + tail.readUInt16LE(at + 20) !== tail.length) continue
    const locator = at - 20
    if (locator >= 0 && tail.readUInt32LE(locator) === LOCATOR64)
      return { zip64At: Number(tail.readBigUInt64LE(locator + 8)) }
    return {
      entries: tail.readUInt16LE(at + 10),
      bytes: tail.readUInt32LE(at + 12),
      offset: tail.readUInt32LE(at + 16),
    }
  }
  throw unusable('is no zip file, such as a jar or WAR')
}

/** The directory's place out of a zip64 end record of 56 bytes. */
export function directory64(record: Buffer): Directory {
  if (record.length < 56 || record.readUInt32LE(0) !== END64) throw unusable('has a damaged zip64 record')
  const [entries, bytes, offset] = [32, 40, 48].map((at) => Number(record.readBigUInt64LE(at)))
  return { entries: entries ?? 0, bytes: bytes ?? 0, offset: offset ?? 0 }
}

/** Reads the central directory. Refuses what could be written elsewhere, twice, or grow without end. Throws BUILD_SOURCE_INVALID. */
export function readEntries(directory: Buffer, count: number): readonly ZipEntry[] {
  if (count > ZIP_LIMITS.entries) throw unusable(`has ${count} entries`)
  const found = new Map<string, ZipEntry>()
  let plain = 0
  let packed = 0
  for (let at = 0; at < directory.length; ) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== CENTRAL) throw unusable('has a damaged directory')
    const lengths = [28, 30, 32].map((part) => directory.readUInt16LE(at + part))
    const size = lengths.reduce((sum, length) => sum + length, 46)
    const entry = readEntry(directory.subarray(at, at + size))
    at += size
    plain += entry.plainBytes
    packed += entry.packedBytes
    const before = found.get(entry.path)
    if (before !== undefined && !(before.isFolder && entry.isFolder)) throw unusable(`has ${entry.path} twice`)
    found.set(entry.path, entry)
    if (found.size > ZIP_LIMITS.entries) throw unusable(`has more than ${ZIP_LIMITS.entries} entries`)
  }
  const isBomb = plain > ZIP_LIMITS.freeBytes && plain > packed * ZIP_LIMITS.ratio
  if (plain > ZIP_LIMITS.plainBytes || isBomb) throw unusable(`unpacks to ${plain} bytes from ${packed}`)
  return [...found.values()].filter(({ path }) => path !== '')
}

const METHODS: Readonly<Record<number, ZipEntry['method']>> = { 0: 'stored', 8: 'deflated' }

function readEntry(record: Buffer): ZipEntry {
  const nameBytes = record.readUInt16LE(28)
  const name = record.toString('utf8', 46, 46 + nameBytes)
  const method = METHODS[record.readUInt16LE(10)]
  const shown = JSON.stringify(name.slice(0, 200))
  if (method === undefined) throw unusable(`has ${shown} compressed in a way that is not known`)
  if ((record.readUInt16LE(8) & 1) !== 0) throw unusable(`has ${shown} encrypted`)
  if (((record.readUInt32LE(38) >>> 16) & 0o170_000) === 0o120_000) throw unusable(`has the link ${shown}`)
  const parts = name.replace(/\/$/, '').split('/')
  const isOutside = parts.some((part) => part === '..' || part === '.' || (part === '' && name !== '/'))
  if (isOutside || name.includes('\\') || name.includes('\0')) throw unusable(`names ${shown}, which leads elsewhere`)
  const sizes = sizesOf(record, 46 + nameBytes)
  return { path: parts.join('/'), isFolder: name.endsWith('/'), method, crc32: record.readUInt32LE(16), ...sizes }
}

/** Sizes and place: of 32 bits, or where these are full, of 64 in the extra field 1 (APPNOTE.TXT 4.5.3). */
function sizesOf(record: Buffer, extraAt: number): Pick<ZipEntry, 'plainBytes' | 'packedBytes' | 'offset'> {
  const extra = record.subarray(extraAt, extraAt + record.readUInt16LE(30))
  let wide = zip64Of(extra)
  const one = (at: number): number => {
    const short = record.readUInt32LE(at)
    if (short !== 0xff_ff_ff_ff) return short
    if (wide.length < 8) throw unusable('has a damaged zip64 field')
    const long = Number(wide.readBigUInt64LE(0))
    wide = wide.subarray(8)
    return long
  }
  const plainBytes = one(24)
  const packedBytes = one(20)
  return { plainBytes, packedBytes, offset: one(42) }
}

function zip64Of(extra: Buffer): Buffer {
  for (let at = 0; at + 4 <= extra.length; ) {
    const size = extra.readUInt16LE(at + 2)
    if (extra.readUInt16LE(at) === 1) return extra.subarray(at + 4, at + 4 + size)
    at += 4 + size
  }
  return Buffer.alloc(0)
}
