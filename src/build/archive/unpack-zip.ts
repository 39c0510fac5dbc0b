import { type FileHandle, mkdir, open, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { crc32, inflateRaw } from 'node:zlib'
import { diskFull } from '../../model/disk-full.ts'
import {
  type Directory,
  directory64,
  END_BYTES,
  findDirectory,
  readEntries,
  unusable,
  type ZipEntry,
} from './zip-entries.ts'

const inflated = promisify(inflateRaw)
const LOCAL = 0x04034b50
/** One entry is held in memory. */
const MOST_ENTRY_BYTES = 2 ** 31 - 1

/** Unpacks a zip file into a new folder: files 0644, folders 0755, times of now. Throws BUILD_SOURCE_INVALID, DISK_FULL. */
export async function unpackZip(path: string, folder: string, signal: AbortSignal): Promise<void> {
  const file = await open(path, 'r')
  try {
    const entries = await listZip(file)
    await mkdir(folder, { recursive: true, mode: 0o755 })
    for (const entry of entries) {
      signal.throwIfAborted()
      const to = join(folder, entry.path)
      await mkdir(entry.isFolder ? to : dirname(to), { recursive: true, mode: 0o755 })
      if (!entry.isFolder) await writeFile(to, await contentOf(file, entry), { flag: 'wx', mode: 0o644 })
    }
  } catch (failed) {
    const { code } = failed as NodeJS.ErrnoException
    // A file where a folder should be, or the other way round.
    if (code === 'EEXIST' || code === 'ENOTDIR') throw unusable('has a file and a folder of one name', failed)
    throw diskFull(failed, `unpacking ${path}`)
  } finally {
    await file.close()
  }
}

async function listZip(file: FileHandle): Promise<readonly ZipEntry[]> {
  const { size } = await file.stat()
  const tail = await readAt(file, Math.max(0, size - END_BYTES), Math.min(size, END_BYTES))
  const found = findDirectory(tail)
  const directory: Directory = 'zip64At' in found ? directory64(await readAt(file, found.zip64At, 56)) : found
  if (directory.offset + directory.bytes > size || directory.bytes > 2 ** 30) throw unusable('has a damaged directory')
  return readEntries(await readAt(file, directory.offset, directory.bytes), directory.entries)
}

async function contentOf(file: FileHandle, entry: ZipEntry): Promise<Buffer> {
  const { path, offset, packedBytes, plainBytes, method } = entry
  if (Math.max(packedBytes, plainBytes) > MOST_ENTRY_BYTES) throw unusable(`has ${path} with ${plainBytes} bytes`)
  const head = await readAt(file, offset, 30)
  if (head.readUInt32LE(0) !== LOCAL) throw unusable(`has no ${path} where it says`)
  const packed = await readAt(file, offset + 30 + head.readUInt16LE(26) + head.readUInt16LE(28), packedBytes)
  const plain = method === 'stored' ? packed : await inflate(packed, entry)
  if (plain.length === plainBytes && crc32(plain) === entry.crc32) return plain
  throw unusable(`is damaged at ${path}`)
}

async function inflate(packed: Buffer, { path, plainBytes }: ZipEntry): Promise<Buffer> {
  try {
    return await inflated(packed, { maxOutputLength: Math.max(plainBytes, 1) })
  } catch (failed) {
    throw unusable(`is damaged at ${path}`, failed)
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const into = Buffer.alloc(length)
  let at = 0
  while (at < length) {
    const { bytesRead } = await file.read(into, at, length - at, position + at)
    if (bytesRead === 0) throw unusable('ends before its end')
    at += bytesRead
  }
  return into
}
