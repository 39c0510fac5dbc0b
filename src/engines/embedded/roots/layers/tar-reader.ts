import type { ByteSource } from '../../../../lib/byte-source.ts'
import { invalidLayer } from './invalid-layer.ts'
import { decodeName, type PaxRecords, parsePaxRecords } from './pax-records.ts'
import { parseTarHeader, type TarHeader } from './tar-header.ts'

/** One entry of an archive. `content` may be read once, before the next entry is asked for. */
export interface TarEntry {
  readonly kind: 'file' | 'directory' | 'symlink' | 'hardlink'
  readonly path: string
  readonly link: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtime: number
  readonly size: number
  content(): AsyncIterable<Buffer>
}

const KINDS: Readonly<Record<string, TarEntry['kind']>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'directory',
}
const REFUSED: Readonly<Record<string, string>> = {
  '3': 'a character device',
  '4': 'a block device',
  '6': 'a named pipe',
  S: 'a sparse file',
}
/** Beyond any real header: names have 4 KB at most. */
const MOST_EXTENSION_BYTES = 1024 * 1024

/**
 * Reads a tar archive strictly: POSIX ustar and pax, GNU long names. What readers could take differently is refused, and
 * so are devices and pipes (A6). Links and directories have no content whatever their size says, as in Go's reader.
 */
export async function* readTar(source: ByteSource): AsyncGenerator<TarEntry> {
  let extension: Extension = {}
  while (true) {
    const block = await source.take(512)
    if (block.length === 0) return
    if (block.length < 512) throw invalidLayer('its tar ends in the middle of a header')
    const header = parseTarHeader(block)
    if (header === null) return await drain(source)
    if ('xgLK'.includes(header.type)) {
      extension = extended(extension, header, await readExtension(source, header))
      continue
    }
    const body = new Body(source)
    const entry = entryOf(header, extension, body)
    extension = {}
    yield entry
    await body.skip()
  }
}

interface Extension {
  readonly pax?: PaxRecords
  readonly longName?: string
  readonly longLink?: string
}

function extended(before: Extension, header: TarHeader, bytes: Buffer): Extension {
  if (header.type === 'x') return { ...before, pax: parsePaxRecords(bytes) }
  // Global headers hold comments (git archive); as in Docker nothing in them applies to entries.
  if (header.type === 'g') return before
  const name = decodeName(bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes)
  return header.type === 'L' ? { ...before, longName: name } : { ...before, longLink: name }
}

async function readExtension(source: ByteSource, header: TarHeader): Promise<Buffer> {
  if (header.size > MOST_EXTENSION_BYTES) throw invalidLayer(`a tar header has an extension of ${header.size} bytes`)
  const padded = await source.take(Math.ceil(header.size / 512) * 512)
  if (padded.length < header.size) throw invalidLayer('its tar ends in the middle of a header')
  return padded.subarray(0, header.size)
}

function entryOf(header: TarHeader, { pax = {}, longName, longLink }: Extension, body: Body): TarEntry {
  const path = pax.path ?? longName ?? header.name
  const refused = REFUSED[header.type]
  if (refused !== undefined) throw invalidLayer(`${JSON.stringify(path.slice(0, 200))} is ${refused}`)
  const written = KINDS[header.type]
  if (written === undefined)
    throw invalidLayer(`${JSON.stringify(path.slice(0, 200))} has an unknown type ${JSON.stringify(header.type)}`)
  // Before POSIX, a directory was a file whose name ends in a slash.
  const kind = written === 'file' && path.endsWith('/') ? 'directory' : written
  const size = kind === 'file' ? (pax.size ?? header.size) : 0
  body.begin(size)
  return {
    kind,
    path,
    link: pax.linkpath ?? longLink ?? header.link,
    mode: header.mode & 0o7777,
    uid: pax.uid ?? header.uid,
    gid: pax.gid ?? header.gid,
    mtime: pax.mtime ?? header.mtime,
    size,
    content: () => body.read(),
  }
}

/** The bytes of one entry and what pads them to a whole block. */
class Body {
  readonly #source: ByteSource
  #left = 0
  #padding = 0

  constructor(source: ByteSource) {
    this.#source = source
  }

  begin(size: number): void {
    this.#left = size
    this.#padding = (512 - (size % 512)) % 512
  }

  async *read(): AsyncGenerator<Buffer> {
    while (this.#left > 0) {
      const part = await this.#source.some(this.#left)
      if (part === null) throw invalidLayer('its tar ends in the middle of a file')
      this.#left -= part.length
      yield part
    }
  }

  async skip(): Promise<void> {
    for await (const _ of this.read());
    const padding = await this.#source.take(this.#padding)
    if (padding.length < this.#padding) throw invalidLayer('its tar ends in the middle of a file')
  }
}

/** Reads on to the end: the digests are over all bytes, also those after the end of the archive. */
async function drain(source: ByteSource): Promise<void> {
  while ((await source.some(1024 * 1024)) !== null);
}
