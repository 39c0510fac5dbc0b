import { gunzipSync, constants as zlib } from 'node:zlib'
import { notSupported, type Place, syntaxError } from './dockerfile/place.ts'
import type { Content } from './image/file-entry.ts'

const MAGIC: readonly (readonly [string, readonly number[]])[] = [
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
]

/** Refuses an address as a source: COPY never takes one, and ADD does not fetch here yet. */
export function refuseRemote(kind: 'copy' | 'add', source: string, place: Place): void {
  if (!/^(?:https?|git|ssh):\/\/|^git@/i.test(source)) return
  if (kind === 'copy')
    throw syntaxError(place, `COPY cannot take ${shown(source)}`, 'COPY takes files of the context only.')
  const hint = 'Fetch it by build.run and check its digest there, then COPY the file.'
  throw notSupported(place, `ADD of ${shown(source)} is not carried out by this builder yet`, hint)
}

/** An address without user information (A10). */
const shown = (source: string): string => source.replace(/\/\/[^/@]*@/, '//').slice(0, 200)

/** Refuses a local archive: ADD would unpack it, and that is not done here yet. A file that is no tar inside is copied as it is. */
export function refuseArchive(content: Content, path: string, place: Place): void {
  const format = archiveFormat(content)
  if (format === null) return
  const hint = 'Unpack it by build.run and COPY the folder; or COPY the archive as it is.'
  throw notSupported(place, `ADD would unpack ${path} (${format}), which this builder does not do yet`, hint)
}

function archiveFormat(content: Content): string | null {
  const [first = new Uint8Array()] = content.chunks()
  const head = Buffer.from(first.subarray(0, 64 * 1024))
  for (const [format, magic] of MAGIC) if (magic.every((byte, at) => head[at] === byte)) return format
  if (head[0] !== 0x1f || head[1] !== 0x8b) return isTar(head) ? 'tar' : null
  try {
    return isTar(gunzipSync(head, { finishFlush: zlib.Z_SYNC_FLUSH, maxOutputLength: 256 * 2 ** 20 }))
      ? 'tar+gzip'
      : null
  } catch {
    // Begins like gzip and is none: a file like any other.
    return null
  }
}

/** Whether bytes begin with a tar header: its checksum is the sum of its bytes, itself as blanks. */
function isTar(bytes: Buffer): boolean {
  if (bytes.length < 512) return false
  const stored = Number.parseInt(bytes.toString('latin1', 148, 156).replace(/[\0 ]+/g, ''), 8)
  const sum = bytes.subarray(0, 512).reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0)
  return stored === sum
}
