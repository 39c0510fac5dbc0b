/** One entry of an archive. Names are text: what is not UTF-8 is refused. */
export interface TarEntry {
  /** As it stands in the archive; the caller settles what it means. */
  readonly name: string
  readonly type: 'file' | 'link' | 'symlink' | 'directory' | 'device' | 'fifo'
  /** Permission bits, with set-id and sticky. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since the epoch. */
  readonly mtime: number
  readonly size: number
  /** Target of a link. */
  readonly link: string
  /** Extended attributes, values as latin1 text. */
  readonly xattrs: Readonly<Record<string, string>>
}

/** Why an archive cannot be read; who knows its name makes it a failure. */
export class TarInvalid extends Error {
  override readonly name = 'TarInvalid'
}

/** It unpacks to more than anybody may ask for. */
export class TarTooLarge extends TarInvalid {}

export const BLOCK = 512

/** What stands before an entry and holds for it: pax records, GNU long names. */
export interface Extended {
  readonly pax: ReadonlyMap<string, Buffer>
  readonly longName: Buffer | null
  readonly longLink: Buffer | null
}
export const NOTHING_EXTENDED: Extended = { pax: new Map(), longName: null, longLink: null }

const TYPES: Readonly<Record<string, TarEntry['type']>> = {
  ...{
    '\0': 'file',
    '0': 'file',
    '1': 'link',
    '2': 'symlink',
    '3': 'device',
    '4': 'device',
    '5': 'directory',
    '6': 'fifo',
  },
}
const XATTR = 'SCHILY.xattr.'

/** Whether a block's checksum is that of a header: the sum of its bytes, itself as blanks; old writers summed signed bytes. */
export function isHeader(block: Uint8Array): boolean {
  if (block.length < BLOCK) return false
  const stored = octal(Buffer.from(block.subarray(148, 156)))
  if (stored === null) return false
  let [plain, signed] = [0, 0]
  for (let at = 0; at < BLOCK; at++) {
    const byte = at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0)
    plain += byte
    signed += byte > 127 ? byte - 256 : byte
  }
  return stored === plain || stored === signed
}

export const typeOf = (block: Buffer): string => String.fromCharCode(block[156] ?? 0)
export const sizeOf = (block: Buffer): number => field(block, 'size', 124, 12)

/** The entry that a header and what stands before it describe, as Go's archive/tar reads it. Throws TarInvalid. */
export function entryOf(block: Buffer, { pax, longName, longLink }: Extended): TarEntry {
  for (const key of pax.keys()) {
    if (key.startsWith('GNU.sparse.')) throw new TarInvalid('has sparse files, which are not unpacked here')
  }
  const name = decode(pax.get('path') ?? longName ?? headerName(block))
  const written = TYPES[typeOf(block)]
  if (written === undefined) throw new TarInvalid(`has an entry of the type ${JSON.stringify(typeOf(block))}`)
  const type = written === 'file' && name.endsWith('/') ? 'directory' : written
  const number = (key: string, at: number, width: number) => paxNumber(pax, key) ?? field(block, key, at, width)
  const xattrs = [...pax].flatMap(([key, value]) =>
    key.startsWith(XATTR) ? [[key.slice(XATTR.length), value.toString('latin1')] as const] : [],
  )
  return {
    name,
    type,
    mode: field(block, 'mode', 100, 8) & 0o7777,
    uid: number('uid', 108, 8),
    gid: number('gid', 116, 8),
    mtime: Math.floor(number('mtime', 136, 12)),
    size: type === 'file' ? number('size', 124, 12) : 0,
    link: decode(pax.get('linkpath') ?? longLink ?? text(block, 157, 100)),
    xattrs: Object.fromEntries(xattrs),
  }
}

/** `LENGTH key=value\n`, the value any bytes. Throws TarInvalid. */
export function paxRecords(bytes: Buffer): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>()
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at)
    const digits = bytes.toString('latin1', at, space)
    const end = at + Number(digits)
    const equals = bytes.indexOf(0x3d, space)
    const good = space > at && /^[0-9]{1,9}$/.test(digits) && end <= bytes.length && end > equals && equals > space
    if (!good || bytes[end - 1] !== 0x0a) throw new TarInvalid('has a broken extended header')
    found.set(bytes.toString('utf8', space + 1, equals), Buffer.from(bytes.subarray(equals + 1, end - 1)))
    at = end
  }
  return found
}

/** ustar, star and old headers keep a prefix in different places; GNU's has none. */
function headerName(block: Buffer): Buffer {
  const name = text(block, 0, 100)
  if (block.toString('latin1', 257, 263) !== 'ustar\0') return name
  const prefix = text(block, 345, block.toString('latin1', 508, 512) === 'tar\0' ? 131 : 155)
  return prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from('/'), name])
}

function paxNumber(pax: Extended['pax'], key: string): number | null {
  const value = pax.get(key)
  if (value === undefined || value.length === 0) return null
  const written = value.toString('latin1')
  const good = key === 'mtime' ? /^-?[0-9]{1,12}(\.[0-9]*)?$/.test(written) : /^[0-9]{1,15}$/.test(written)
  if (good) return Number(written)
  throw new TarInvalid(`has ${key}=${JSON.stringify(written.slice(0, 40))}`)
}

/** A number in octal, or in base 256 where its first bit is set. Negative ones are of no use here. */
function field(block: Buffer, name: string, at: number, width: number): number {
  const bytes = block.subarray(at, at + width)
  const value = ((bytes[0] ?? 0) & 0x80) === 0 ? octal(bytes) : base256(bytes)
  if (value === null) throw new TarInvalid(`has a header whose ${name} is no number`)
  return value
}

function octal(bytes: Buffer): number | null {
  const digits = bytes.toString('latin1').replace(/^[\0 ]+|[\0 ]+$/g, '')
  if (digits === '') return 0
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : null
}

function base256(bytes: Buffer): number | null {
  let value = (bytes[0] ?? 0) & 0x7f
  for (const byte of bytes.subarray(1)) value = value * 256 + byte
  return Number.isSafeInteger(value) ? value : null
}

function text(block: Buffer, at: number, width: number): Buffer {
  const bytes = block.subarray(at, at + width)
  const end = bytes.indexOf(0)
  return end < 0 ? bytes : bytes.subarray(0, end)
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decode(bytes: Buffer): string {
  if (bytes.includes(0)) throw new TarInvalid('has a name with a NUL in it')
  try {
    return UTF8.decode(bytes)
  } catch {
    throw new TarInvalid(`has a name that is not UTF-8: ${JSON.stringify(bytes.toString('latin1').slice(-200))}`)
  }
}
