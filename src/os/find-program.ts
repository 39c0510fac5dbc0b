import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

/** Where distributions put programs; an ordinary user's PATH often lacks sbin. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin']

/** The absolute folders of a PATH: relative ones would mean another program in every folder. */
export const pathFolders = (path: string): readonly string[] => path.split(delimiter).filter(isAbsolute)

/** The same, and then those of the system. */
export const toolFolders = (path: string): readonly string[] => [...pathFolders(path), ...SYSTEM_FOLDERS]

/** The first of these folders' programs of that name that may be run; null: there is none. */
export function findProgram(name: string, folders: readonly string[]): string | null {
  return folders.map((folder) => join(folder, name)).find(isProgram) ?? null
}

/** Whether it is a file that may be run. */
export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
