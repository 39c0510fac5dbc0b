import { invalidLayer } from './invalid-layer.ts'

/** What a PAX header says of the entry behind it; absent: the entry's own header rules. */
export interface PaxRecords {
  readonly path?: string
  readonly linkpath?: string
  readonly size?: number
  readonly uid?: number
  readonly gid?: number
  readonly mtime?: number
}

/** Reads `LENGTH key=value\n` records (POSIX pax, "Extended Header"). Strict: a record that readers could take differently is refused (A6). */
export function parsePaxRecords(bytes: Buffer): PaxRecords {
  const found: Record<string, string | number> = {}
  let at = 0
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at)
    const length = space < 0 || space - at > 10 ? '' : bytes.toString('latin1', at, space)
    const end = at + Number(length)
    if (!/^[1-9][0-9]*$/.test(length) || end > bytes.length || end < space + 3 || bytes[end - 1] !== 0x0a)
      throw invalidLayer('a PAX record has a wrong length')
    const equals = bytes.indexOf(0x3d, space + 1)
    if (equals < 0 || equals >= end) throw invalidLayer('a PAX record has no value')
    takeRecord(found, bytes.toString('utf8', space + 1, equals), bytes.subarray(equals + 1, end - 1))
    at = end
  }
  return found
}

function takeRecord(found: Record<string, string | number>, key: string, value: Buffer): void {
  if (key.startsWith('GNU.sparse.')) throw invalidLayer('it has sparse files, which are not supported')
  if (key === 'path' || key === 'linkpath') found[key] = decodeName(value)
  else if (key === 'size' || key === 'uid' || key === 'gid') {
    const text = value.toString('latin1')
    if (!/^[0-9]{1,15}$/.test(text)) throw invalidLayer(`a PAX record has ${key}=${text.slice(0, 40)}`)
    found[key] = Number(text)
  } else if (key === 'mtime') {
    const seconds = Number(value.toString('latin1'))
    if (Number.isFinite(seconds)) found[key] = seconds
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A name of a tar entry: UTF-8 without NUL, or refused. A name cut at a NUL is another name for the next reader. */
export function decodeName(bytes: Uint8Array): string {
  if (bytes.includes(0)) throw invalidLayer('a name has a NUL in it')
  try {
    return UTF8.decode(bytes)
  } catch (failed) {
    throw invalidLayer(`a name is not UTF-8: ${Buffer.from(bytes).toString('latin1').slice(0, 80)}`, failed)
  }
}
