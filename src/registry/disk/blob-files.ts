import { type FileHandle, open, stat } from 'node:fs/promises'
import { DeployError } from '../../model/failure.ts'
import { verified } from '../verified.ts'
import { ignoreMissing, type StoreFolder } from './store-folder.ts'

/** Bytes are read in pieces of this many. */
const PIECE = 256 * 1024

/**
 * The bytes of a blob, verified while they are read: damaged ones end in STORE_CORRUPT before their end, and are set aside. What
 * came to its end counts as right for a while, from `now` on.
 */
export async function* readBlobFile(
  folder: StoreFolder,
  digest: string,
  now: number,
): AsyncGenerator<Uint8Array, void> {
  const path = folder.blobPath(digest)
  const handle = await open(path, 'r').catch(ignoreMissing)
  if (handle === null) throw notThere(digest)
  try {
    const opened = await handle.stat()
    const damaged: { error: DeployError | null } = { error: null }
    const pieces = verified(piecesOf(handle, opened.size), { digest, size: opened.size }, (got) => {
      damaged.error = corrupt(digest, got)
      return damaged.error
    })
    try {
      yield* pieces
      folder.checked.remember(path, opened, now)
    } finally {
      if (damaged.error !== null) await folder.quarantine(path, opened.ino, now)
    }
  } finally {
    await handle.close()
  }
}

/** The open file of a blob that was found right a short while ago; null: it must be read with `readBlobFile`. Throws IMAGE_NOT_FOUND. */
export async function openCheckedBlob(folder: StoreFolder, digest: string, now: number): Promise<FileHandle | null> {
  const path = folder.blobPath(digest)
  const handle = await open(path, 'r').catch(ignoreMissing)
  if (handle === null) throw notThere(digest)
  try {
    if (folder.checked.has(path, await handle.stat(), now)) return handle
  } catch (failed) {
    await handle.close()
    throw failed
  }
  await handle.close()
  return null
}

/** Whether the bytes of a blob are wrong; it is set aside then. They are read, unless they were found right a short while ago. */
export async function isDamaged(folder: StoreFolder, digest: string, now: number): Promise<boolean> {
  try {
    const checked = await openCheckedBlob(folder, digest, now)
    if (checked !== null) return checked.close().then(() => false)
    for await (const _piece of readBlobFile(folder, digest, now)) {
      // Its digest is what it is read for.
    }
    return false
  } catch (failed) {
    if (failed instanceof DeployError && failed.code === 'STORE_CORRUPT') return true
    throw failed
  }
}

/** A small blob as a whole, at most `maxBytes`; null when it is not there. */
export async function readSmallBlob(
  folder: StoreFolder,
  digest: string,
  maxBytes: number,
  now: number,
): Promise<Uint8Array | null> {
  const found = await stat(folder.blobPath(digest)).catch(ignoreMissing)
  if (found === null) return null
  if (found.size > maxBytes) throw new Error(`${digest} has ${found.size} bytes: too many to be read at once`)
  const pieces: Uint8Array[] = []
  for await (const piece of readBlobFile(folder, digest, now)) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function* piecesOf(handle: FileHandle, end: number): AsyncGenerator<Uint8Array, void> {
  for (let position = 0; position < end; ) {
    const piece = Buffer.allocUnsafe(Math.min(PIECE, end - position))
    const { bytesRead } = await handle.read(piece, 0, piece.length, position)
    if (bytesRead === 0) return
    yield piece.subarray(0, bytesRead)
    position += bytesRead
  }
}

const corrupt = (digest: string, got: string) =>
  new DeployError('STORE_CORRUPT', `the stored bytes of ${digest} are damaged: they are now ${got}`, {
    hint: 'They were set aside in the quarantine folder of the store and never used. Build or push the image again to bring them back, and check the disk.',
    detail: { digest },
  })

export const notThere = (digest: string): DeployError =>
  new DeployError('IMAGE_NOT_FOUND', `${digest} is not in the store`, {
    hint: 'Build or push the image again.',
    detail: { digest },
  })
