import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, link, mkdir, open, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { diskFull } from '../model/disk-full.ts'
import { DeployError } from '../model/failure.ts'
import { type SealingKey, sealingKey } from './seal.ts'

const KEY_BYTES = 32
const MOST_FILE_BYTES = 64 * 1024

/**
 * Reads the keys of a file: one base64 text of 32 bytes per line. The first seals, all open: a new first line rotates the
 * key. null: there is no file. Throws SECRET_KEY_UNUSABLE when others could read it, or a key has the wrong length.
 */
export async function readKeyFile(path: string): Promise<readonly SealingKey[] | null> {
  let handle: FileHandle
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (failed) {
    if ((failed as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw unusable(path, `cannot be read (${(failed as NodeJS.ErrnoException).code ?? 'unknown'})`, failed)
  }
  try {
    await checkOwner(path, handle)
    return parseKeys(path, await handle.readFile('utf8'))
  } finally {
    await handle.close()
  }
}

/** The keys of the file; a missing file is made with a new key. When two processes make it at once, both get the one that won. */
export async function readOrMakeKeyFile(path: string): Promise<readonly SealingKey[]> {
  const there = await readKeyFile(path)
  if (there !== null) return there
  await makeKeyFile(path)
  const made = await readKeyFile(path)
  if (made === null) throw unusable(path, 'was removed while it was made')
  return made
}

/** Writes beside, fsync, link, fsync of the folder: the name is never there without the whole key, and never replaces another. */
async function makeKeyFile(path: string): Promise<void> {
  const folder = dirname(path)
  const temporary = join(folder, `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await withFile(temporary, 'wx', async (handle) => {
      await handle.writeFile(`${randomBytes(KEY_BYTES).toString('base64')}\n`)
      await handle.sync()
    })
    await link(temporary, path).catch((failed: NodeJS.ErrnoException) => {
      if (failed.code !== 'EEXIST') throw failed
    })
  } catch (failed) {
    const full = diskFull(failed, `making the key file ${path}`)
    throw full === failed ? unusable(path, 'cannot be made', failed) : full
  } finally {
    await rm(temporary, { force: true })
  }
  await withFile(folder, 'r', (handle) => handle.sync())
}

async function withFile(path: string, flags: string, use: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(path, flags, 0o600)
  try {
    await use(handle)
  } finally {
    await handle.close()
  }
}

async function checkOwner(path: string, handle: FileHandle): Promise<void> {
  const stats = await handle.stat()
  if (!stats.isFile()) throw unusable(path, 'is no file')
  const mode = stats.mode & 0o777
  if ((mode & 0o077) !== 0) throw unusable(path, `has the mode 0${mode.toString(8)}, so that others could read it`)
  const user = process.getuid?.()
  if (user !== undefined && stats.uid !== user && stats.uid !== 0)
    throw unusable(path, `belongs to the user ${stats.uid}`)
  if (stats.size > MOST_FILE_BYTES) throw unusable(path, `has ${stats.size} bytes`)
}

function parseKeys(path: string, text: string): readonly SealingKey[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  if (lines.length === 0) throw unusable(path, 'has no key in it')
  return lines.map((line, index) => {
    const bytes = Buffer.from(line.trim(), 'base64')
    if (bytes.length === KEY_BYTES && bytes.toString('base64') === line.trim()) return sealingKey(bytes)
    throw unusable(path, `has no base64 text of ${KEY_BYTES} bytes in line ${index + 1}`)
  })
}

function unusable(path: string, why: string, cause?: unknown): DeployError {
  return new DeployError('SECRET_KEY_UNUSABLE', `the key file ${path} ${why}`, {
    hint: `Nothing was changed. Put the key file back as it was (mode 0600, owned by the user of the server): chmod 600 ${path}`,
    cause,
  })
}
