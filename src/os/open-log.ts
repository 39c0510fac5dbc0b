import { constants, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'

/** A descriptor for appending. Not readable for others: programs write secrets into logs. */
export function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  return openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
}
