import type { FileEntry } from './file-entry.ts'
import { fileTime } from './file-time.ts'

const BLOCK = 512
/** Parts are joined to about this size, so that thousands of small files do not make thousands of writes. */
const PART = 256 * 1024
const TYPES = { file: '0', symlink: '2', directory: '5' } as const

/** An entry of a layer, as its key and its tar need it: with the id of its content settled. */
export interface LayerFile {
  readonly path: string
  readonly entry: Exclude<FileEntry, { type: 'special' }>
  /** Of a file's content; '' for other things. */
  readonly id: string
}

const mtimeOf = ({ entry, id }: LayerFile): number => (entry.mtime === 'content' ? fileTime(id) : entry.mtime)

/**
 * The layer as a tar stream (POSIX pax), the same bytes for the same entries: no user names, no access times; pax records
 * only for what ustar cannot say. Written here and not by a library, because the digest of every image hangs on each byte.
 */
export function* tarBytes(files: readonly LayerFile[]): Generator<Uint8Array> {
  yield* joined(parts(files))
}

function* parts(files: readonly LayerFile[]): Generator<Uint8Array> {
  for (const file of files) {
    yield* headers(file)
    if (file.entry.type !== 'file' || file.entry.linkTo !== undefined) continue
    yield* file.entry.content.chunks()
    yield new Uint8Array(padding(file.entry.content.size))
  }
  yield new Uint8Array(2 * BLOCK)
}

const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK

function* headers(file: LayerFile): Generator<Uint8Array> {
  const { entry, path } = file
  const name = entry.type === 'directory' ? `${path}/` : path
  const hardLink = entry.type === 'file' ? entry.linkTo : undefined
  const link = entry.type === 'symlink' ? entry.target : (hardLink ?? '')
  const size = entry.type === 'file' && hardLink === undefined ? entry.content.size : 0
  const records = [
    ...(fits(name, 100) ? [] : [record('path', name)]),
    ...(fits(link, 100) ? [] : [record('linkpath', link)]),
    ...(size < 8 ** 11 ? [] : [record('size', String(size))]),
    ...(entry.uid < 8 ** 7 ? [] : [record('uid', String(entry.uid))]),
    ...(entry.gid < 8 ** 7 ? [] : [record('gid', String(entry.gid))]),
    ...Object.entries(entry.xattrs ?? {}).map(([key, value]) => record(`SCHILY.xattr.${key}`, value, 'latin1')),
  ]
  if (records.length > 0) {
    const body = Buffer.concat(records)
    yield header({ name: 'PaxHeader', type: 'x', mode: 0o644, uid: 0, gid: 0, size: body.length, mtime: 0, link: '' })
    yield body
    yield new Uint8Array(padding(body.length))
  }
  const { mode, uid, gid } = entry
  yield header({
    name,
    link,
    type: hardLink === undefined ? TYPES[entry.type] : '1',
    mode,
    uid,
    gid,
    size,
    mtime: mtimeOf(file),
  })
}

const fits = (text: string, most: number): boolean => text.length <= most && /^[\x20-\x7e]*$/.test(text)

/** `LENGTH key=value\n`, the length counting itself. */
function record(key: string, value: string, encoding: BufferEncoding = 'utf8'): Buffer {
  const bytes = Buffer.from(value, encoding)
  const rest = Buffer.byteLength(` ${key}=\n`) + bytes.length
  let length = rest + String(rest).length
  if (rest + String(length).length !== length) length = rest + String(length).length
  return Buffer.concat([Buffer.from(`${length} ${key}=`), bytes, Buffer.from('\n')])
}

interface Header {
  readonly name: string
  readonly link: string
  readonly type: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly mtime: number
}

function header(of: Header): Uint8Array {
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, at: number, width: number) =>
    block.write((value < 8 ** (width - 1) ? value : 0).toString(8).padStart(width - 1, '0'), at, 'latin1')
  block.write(of.name.slice(0, 100), 0, 100, 'utf8')
  octal(of.mode, 100, 8)
  octal(of.uid, 108, 8)
  octal(of.gid, 116, 8)
  octal(of.size, 124, 12)
  octal(of.mtime, 136, 12)
  block.write('        ', 148, 'latin1')
  block.write(of.type, 156, 'latin1')
  block.write(of.link.slice(0, 100), 157, 100, 'utf8')
  block.write('ustar\0' + '00', 257, 'latin1')
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

function* joined(source: Iterable<Uint8Array>): Generator<Uint8Array> {
  let waiting: Uint8Array[] = []
  let size = 0
  for (const part of source) {
    waiting.push(part)
    size += part.length
    if (size < PART) continue
    yield Buffer.concat(waiting, size)
    waiting = []
    size = 0
  }
  if (size > 0) yield Buffer.concat(waiting, size)
}
