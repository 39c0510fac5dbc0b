import { invalidLayer } from './invalid-layer.ts'
import { decodeName } from './pax-records.ts'

/** One 512-byte header of a tar archive (POSIX ustar, with GNU's numbers). */
export interface TarHeader {
  readonly name: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly mtime: number
  readonly type: string
  readonly link: string
}

/** Reads a header block; null for the block of zeros that ends an archive. Throws IMAGE_INVALID. */
export function parseTarHeader(block: Buffer): TarHeader | null {
  if (block.every((byte) => byte === 0)) return null
  checkSum(block)
  const posix = block.toString('latin1', 257, 263) === 'ustar\0'
  const prefix = posix ? text(block, 345, 155) : ''
  const name = text(block, 0, 100)
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: number(block, 100, 8, 'mode'),
    uid: number(block, 108, 8, 'uid'),
    gid: number(block, 116, 8, 'gid'),
    size: number(block, 124, 12, 'size'),
    mtime: number(block, 136, 12, 'mtime'),
    type: String.fromCharCode(block[156] ?? 0),
    link: text(block, 157, 100),
  }
}

function checkSum(block: Buffer): void {
  const expected = number(block, 148, 8, 'checksum')
  let sum = 8 * 0x20
  for (let at = 0; at < 512; at++) if (at < 148 || at >= 156) sum += block[at] ?? 0
  if (sum !== expected) throw invalidLayer('a tar header has a wrong checksum')
}

/** A text field ends at its first NUL. */
function text(block: Buffer, at: number, length: number): string {
  const field = block.subarray(at, at + length)
  const end = field.indexOf(0)
  return decodeName(end < 0 ? field : field.subarray(0, end))
}

/** Octal digits with blanks around, or base 256 when the first bit is set (GNU). Negative and unsafe numbers are refused. */
function number(block: Buffer, at: number, length: number, what: string): number {
  const field = block.subarray(at, at + length)
  const first = field[0] ?? 0
  if ((first & 0x80) !== 0) {
    let value = first & 0x7f
    if (first === 0xff) value = -1
    else for (const byte of field.subarray(1)) value = value * 256 + byte
    if (value < 0 || !Number.isSafeInteger(value)) throw invalidLayer(`a tar header has an impossible ${what}`)
    return value
  }
  const digits = field.toString('latin1').replace(/^[ \0]+|[ \0].*$/gs, '')
  if (!/^[0-7]*$/.test(digits)) throw invalidLayer(`a tar header has an impossible ${what}`)
  return digits === '' ? 0 : Number.parseInt(digits, 8)
}
