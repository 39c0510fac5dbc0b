import { closeSync, constants, fchownSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'

export interface FileOwner {
  readonly uid: number
  readonly gid: number
}

/**
 * A descriptor for appending. Not readable for others: programs write secrets into logs. `owner`: whose it becomes, so that a program of
 * that user may open it anew as /dev/stdout or /dev/stderr, as nginx does; absent: the caller's.
 */
export function openLog(path: string, owner?: FileOwner): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const log = openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
  if (owner === undefined) return log
  try {
    fchownSync(log, owner.uid, owner.gid)
  } catch (failed) {
    closeSync(log)
    throw failed
  }
  return log
}
