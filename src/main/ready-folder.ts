import { access, constants, mkdtemp, rmdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { diskFull } from '../model/disk-full.ts'
import { DeployError } from '../model/failure.ts'
import { makeFolder } from '../os/atomic-file.ts'
import { dataPaths } from './data-folder.ts'

/** Why a folder cannot be the data folder, and what to do. */
export interface FolderTrouble {
  readonly found: string
  readonly fix: string
}

/** sun_path of unix(7) with its end: a longer path cannot be listened on. */
const LONGEST_SOCKET = 107

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EEXIST: 'that is a file',
  ENOTDIR: 'a file stands where a folder must be',
  EROFS: 'the file system is read-only',
  ENOENT: 'no folder can be made there',
  ELOOP: 'its links lead in a circle',
  ENAMETOOLONG: 'the path is too long',
}

/** Makes the data folder where it is missing. Throws DATA_FOLDER_UNUSABLE, DISK_FULL. */
export async function readyFolder(folder: string): Promise<void> {
  const trouble = await folderTrouble(folder, async () => {
    await makeFolder(folder, 0o700)
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  })
  if (trouble === null) return
  throw new DeployError('DATA_FOLDER_UNUSABLE', `the data folder cannot be used: ${trouble.found}`, {
    hint: trouble.fix,
    detail: { folder },
  })
}

/** Tries it for real where the folder is there; else whether it could be made. Leaves nothing behind. */
export const tryFolder = (folder: string): Promise<FolderTrouble | null> =>
  folderTrouble(folder, async () => {
    const existing = await nearestFolder(folder)
    if (existing !== folder) return rmdir(await mkdtemp(join(existing, '.naru-doctor-')))
    await makeFolder(folder)
    const probe = join(await mkdtemp(join(folder, '.doctor-')), 'x')
    try {
      await writeFile(probe, 'x', { flush: true })
    } finally {
      await rm(dirname(probe), { recursive: true, force: true })
    }
  })

/** The folder, or the nearest one above it that is there. */
export async function nearestFolder(folder: string): Promise<string> {
  const isThere = await access(folder).then(
    () => true,
    () => false,
  )
  return isThere || dirname(folder) === folder ? folder : nearestFolder(dirname(folder))
}

async function folderTrouble(folder: string, attempt: () => Promise<void>): Promise<FolderTrouble | null> {
  const length = Buffer.byteLength(dataPaths(folder).socket)
  if (length > LONGEST_SOCKET) {
    return {
      found: `${folder} (its socket would have ${length} bytes of at most ${LONGEST_SOCKET})`,
      fix: 'Choose a shorter one with --data or NARU_DATA.',
    }
  }
  try {
    await attempt()
    return null
  } catch (failed) {
    const full = diskFull(failed, `making the data folder ${folder}`, folder)
    if (full !== failed) throw full
    const { code } = failed as NodeJS.ErrnoException
    if (code === undefined) throw failed
    const why = WORDS[code] === undefined ? code : `${WORDS[code]} (${code})`
    return { found: `${folder}: ${why}`, fix: 'Choose a folder that this user may write, with --data or NARU_DATA.' }
  }
}
