import { DatabaseSync } from 'node:sqlite'
import { isBusy, sqliteFailure } from '../memory/sqlite-failure.ts'
import { DeployError } from '../model/failure.ts'

/** A lock that the kernel gives back when its holder dies, however it dies: an exclusive SQLite transaction (reference/libraries.md 8a: no flock in Node). */
export interface FolderLock {
  release(): void
}

/** One server per data folder. Throws SERVER_IN_USE, DISK_FULL, MEMORY_UNUSABLE. */
export function lockFolder(path: string, folder: string): FolderLock {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE')
  } catch (failed) {
    database.close()
    if (!isBusy(failed)) throw sqliteFailure(failed, path)
    throw new DeployError('SERVER_IN_USE', `another server works on ${folder}`, {
      hint: 'Use that one (leave out --no-server), end it, or give this one a folder of its own with --data.',
      detail: { folder },
      cause: failed,
    })
  }
  return { release: () => database.close() }
}
