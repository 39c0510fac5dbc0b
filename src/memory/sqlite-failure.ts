import { statfsSync } from 'node:fs'
import { diskFull } from '../model/disk-full.ts'
import { DeployError } from '../model/failure.ts'

// Primary result codes (sqlite.org/rescode.html); the extended code has them in its lowest byte.
const BUSY = 5
const LOCKED = 6
const IO_ERROR = 10
const FULL = 13

const WHAT: Readonly<Record<number, string>> = {
  3: 'may not be opened (permission)',
  8: 'cannot be written (read-only)',
  10: 'could not be read or written (input/output error)',
  11: 'is damaged',
  14: 'cannot be opened',
  26: 'is no SQLite database',
}

function primaryCode(thrown: unknown): number | null {
  const errcode = (thrown as { errcode?: unknown } | null)?.errcode
  return typeof errcode === 'number' ? errcode & 0xff : null
}

/** Whether another process holds the lock: the same call may go through in a moment. */
export function isBusy(thrown: unknown): boolean {
  const code = primaryCode(thrown)
  return code === BUSY || code === LOCKED
}

/** What was thrown, as something a person can act on: DISK_FULL, MEMORY_UNUSABLE. Whatever is not of SQLite stays as it is. */
export function sqliteFailure(thrown: unknown, path: string): unknown {
  const code = primaryCode(thrown)
  if (code === null) return thrown
  // The shared index of the WAL tells a full disk as an input/output error.
  if (code === FULL || (code === IO_ERROR && isFull(path))) {
    return diskFull(
      Object.assign(new Error('database or disk is full', { cause: thrown }), { code: 'ENOSPC' }),
      `writing ${path}`,
    )
  }
  const what = WHAT[code]
  if (what === undefined) return thrown
  return new DeployError('MEMORY_UNUSABLE', `the memory ${path} ${what}`, {
    hint: 'Nothing was changed. Check the disk and the owner of the folder; copies made before migrations stand beside it.',
    detail: { sqlite: code },
    cause: thrown,
  })
}

/** MEMORY_UNUSABLE: another process holds the lock for too long. */
export function stillLocked(path: string, waitedMs: number, cause: unknown): DeployError {
  return new DeployError(
    'MEMORY_UNUSABLE',
    `the memory ${path} was locked by another process for ${Math.round(waitedMs)} ms`,
    {
      hint: 'Nothing was changed. See who has it open (fuser), then run the same command again.',
      detail: { waitedMs: Math.round(waitedMs) },
      cause,
    },
  )
}

function isFull(path: string): boolean {
  try {
    return statfsSync(path).bavail === 0
  } catch {
    return false
  }
}
