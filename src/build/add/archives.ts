import { mkdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { diskFull } from '../../model/disk-full.ts'
import { makeFolder, writeFileAtomic } from '../../os/atomic-file.ts'
import { failureAt, type Place } from '../dockerfile/place.ts'
import type { Content } from '../image/file-entry.ts'
import { ContentPack } from '../run/kept/packed-contents.ts'
import { ownFolder } from '../sandbox/work-folder.ts'
import { compressionOf, decompress, UnpackerMissing, UNPACK_LIMITS, type UnpackLimits } from './decompress.ts'
import { readTar } from './read-tar.ts'
import { isHeader, type TarEntry, TarInvalid } from './tar-header.ts'

/** An entry of an archive with where its content is in the pack. */
export interface Packed extends TarEntry {
  /** Digest of a file's content; '' for other things. */
  readonly id: string
  readonly offset: number
}

/** An archive that was read: its entries in order, and the contents of its files in one file. */
export interface Archive {
  readonly entries: readonly Packed[]
  readonly pack: string
}

const FORM = 'archive-1'
const PACK = 'pack'

export interface ArchivesOptions {
  /** Where what was read is kept, and where it is made before it counts. */
  readonly folder: string
  readonly work: string
  readonly limits?: UnpackLimits
}

/** Archives of ADD, each read once: what is in one is kept under the digest of the whole. Losing it costs time only. */
export class Archives {
  readonly #options: ArchivesOptions

  constructor(options: ArchivesOptions) {
    this.#options = options
  }

  /** What is in a file that is an archive; null: it is none, and ADD copies it. Throws BUILD_SOURCE_INVALID, DISK_FULL. */
  async read(content: Content, name: string, place: Place, signal: AbortSignal): Promise<Archive | null> {
    // Of a commit's file the bytes are here with its id.
    const id = await content.id()
    const head = headOf(content)
    if (compressionOf(head) === 'none' && !isHeader(head)) return null
    const folder = join(this.#options.folder, id.replace(':', '-'))
    const known = await find(folder)
    if (known !== null) return known.isArchive ? known : null
    try {
      return await this.#readNew(content, folder, signal)
    } catch (failed) {
      throw refusal(failed, name, place)
    }
  }

  async #readNew(content: Content, folder: string, signal: AbortSignal): Promise<Archive | null> {
    const part = await ownFolder(this.#options.work)
    const made = join(part, 'made')
    await mkdir(made)
    const pack = new ContentPack(join(made, PACK))
    const entries: Packed[] = []
    const limits = this.#options.limits ?? UNPACK_LIMITS
    const file = {
      compression: compressionOf(headOf(content)),
      size: content.size,
      open: () => Readable.from(content.chunks(), { highWaterMark: 2 }),
    }
    try {
      const isArchive = await decompress(
        file,
        limits,
        (plain) =>
          readTar(plain, (entry) => {
            if (entries.length >= limits.mostEntries)
              throw new TarInvalid(`has more than ${limits.mostEntries} entries`)
            return take(entry, entries, pack)
          }),
        signal,
      )
      signal.throwIfAborted()
      await writeFile(join(made, 'bytes'), String(pack.at))
      await writeFileAtomic(join(made, 'entries.json'), JSON.stringify({ form: FORM, isArchive, entries }))
      await makeFolder(this.#options.folder, 0o700)
      await rename(made, folder).catch(unlessThere)
      return isArchive ? { entries, pack: join(folder, PACK) } : null
    } finally {
      pack.close()
      await rm(part, { recursive: true, force: true })
    }
  }
}

/** Lists an entry, and answers where its bytes go: into the pack, hashed on the way. */
function take(entry: TarEntry, entries: Packed[], pack: ContentPack): (part: Uint8Array) => void {
  const hash = createHash('sha256')
  const at = entries.push({ ...entry, id: '', offset: pack.at }) - 1
  let left = entry.size
  const settle = () => {
    if (entry.type === 'file')
      entries[at] = { ...entry, offset: entries[at]?.offset ?? 0, id: `sha256:${hash.digest('hex')}` }
  }
  if (left === 0) settle()
  return (part) => {
    hash.update(part)
    pack.add(part)
    left -= part.length
    if (left === 0) settle()
  }
}

const HEAD = 512

function headOf(content: Content): Uint8Array {
  for (const part of content.chunks()) return part.subarray(0, HEAD)
  return new Uint8Array()
}

async function find(folder: string): Promise<(Archive & { readonly isArchive: boolean }) | null> {
  try {
    const read = JSON.parse(await readFile(join(folder, 'entries.json'), 'utf8')) as {
      readonly form?: string
      readonly isArchive?: boolean
      readonly entries?: readonly Packed[]
    }
    if (read.form !== FORM || !Array.isArray(read.entries)) return null
    const now = new Date()
    await utimes(folder, now, now)
    return { isArchive: read.isArchive === true, entries: read.entries, pack: join(folder, PACK) }
  } catch {
    // Missing, cut or damaged is all the same: the archive is read again.
    return null
  }
}

/** Somebody else read the same: theirs is as good. */
function unlessThere(failed: NodeJS.ErrnoException): void {
  if (failed.code !== 'ENOTEMPTY' && failed.code !== 'EEXIST') throw failed
}

function refusal(failed: unknown, name: string, place: Place): unknown {
  if (failed instanceof TarInvalid) {
    const hint = 'Pack it again with: tar --create --format=posix; or write ADD --unpack=false to copy it as it is.'
    return failureAt('BUILD_SOURCE_INVALID', place, `the archive ${name} ${failed.message}`, hint)
  }
  if (failed instanceof UnpackerMissing) {
    const hint = `Install ${failed.program === 'xz' ? 'xz-utils' : failed.program}, or pack the archive with gzip or zstd.`
    return failureAt('DOCKERFILE_NOT_SUPPORTED', place, `${name} needs the program ${failed.program} to unpack`, hint)
  }
  return diskFull(failed, `unpacking ${name}`)
}
