import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Scope } from '../../../model/app.ts'
import { run } from '../../../os/run.ts'

/**
 * A replica's log is one file that its processes append to directly, so that no reader's death can stop them. A child's file
 * cannot be exchanged under it, and copy-and-truncate loses what is written in between. So the file is cut at its beginning:
 * whole lines are copied to `NAME.log.OFFSET`, and then a hole is punched there, which takes the space back and leaves every
 * offset as it was. No line is lost, readers go on by offset, and a crash between the two steps costs only disk space.
 */
export const LOG_LIMIT_BYTES = 10 * 2 ** 20
export const LOG_SEGMENTS_KEPT = 5
const LINE_END = 0x0a
/** What a cut takes into memory at most: as much as is kept in the end. */
const MOST_AT_ONCE_BYTES = LOG_LIMIT_BYTES * LOG_SEGMENTS_KEPT

/** A part of a log: bytes [from, to) of the whole, which stand at the same place in the live file, or from 0 in a segment. */
export interface LogPart {
  readonly path: string
  readonly from: number
  readonly to: number
  readonly live: boolean
}

export const logFolder = (folder: string, { app, environment }: Scope): string => join(folder, 'logs', app, environment)

export const logPath = (folder: string, scope: Scope, replica: string): string =>
  join(logFolder(folder, scope), `${replica}.log`)

/** A descriptor for appending. Not readable for others: programs write secrets into logs. */
export function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  return openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
}

/** Bytes that were ever written; 0 when there is no log. */
export const logEnd = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** What is still there of a log, oldest first. */
export function logParts(path: string): LogPart[] {
  const segments = segmentsOf(path)
  const start = segments.at(-1)?.to ?? 0
  return [...segments, { path, from: start, to: Math.max(start, logEnd(path)), live: true }]
}

function segmentsOf(path: string): LogPart[] {
  const prefix = `${basename(path)}.`
  let names: string[]
  try {
    names = readdirSync(dirname(path))
  } catch {
    return []
  }
  return names
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => {
      const from = Number(name.slice(prefix.length))
      const segment = join(dirname(path), name)
      return { path: segment, from, to: from + logEnd(segment), live: false }
    })
    .sort((a, b) => a.from - b.from)
}

/** Bytes [from, to) of a part, by offset of the whole log. */
export function readPart(part: LogPart, from: number, to: number): Buffer {
  const bytes = Buffer.alloc(to - from)
  const file = openSync(part.path, 'r')
  try {
    const read = readSync(file, bytes, 0, bytes.length, part.live ? from : from - part.from)
    return bytes.subarray(0, read)
  } finally {
    closeSync(file)
  }
}

/** The last lines from `offset` on, oldest first; looks at no more than 64 KB. */
export function logTail(path: string, offset: number, lines: number): string[] {
  const end = logEnd(path)
  const from = Math.max(offset, end - 65_536)
  if (end <= from) return []
  const text = readPart({ path, from, to: end, live: true }, from, end).toString('utf8').replaceAll('\0', '')
  return text
    .split('\n')
    .filter((line, at, all) => line !== '' || at < all.length - 1)
    .slice(-lines)
}

/**
 * Cuts a log whose live part is longer than the limit. Answers whether it did. On a full disk the oldest segments make room;
 * without any the live part may grow to twice the limit before its older half is given up: a log must not keep a disk full (F6).
 */
export async function cutLog(path: string, limit: number, signal: AbortSignal): Promise<boolean> {
  const live = logParts(path).at(-1)
  if (live === undefined || live.to - live.from <= limit) return false
  // However much was written while no keeper looked.
  const from = Math.max(live.from, live.to - MOST_AT_ONCE_BYTES)
  const bytes = readPart(live, from, live.to)
  const lineEnd = bytes.lastIndexOf(LINE_END) + 1
  const whole = lineEnd === 0 ? bytes : bytes.subarray(0, lineEnd)
  if (keepSegment(path, from, whole)) {
    await punchHole(path, from + whole.length, signal)
  } else {
    if (live.to - live.from <= 2 * limit) return false
    const half = bytes.length - limit
    const newest = from + Math.max(half, bytes.indexOf(LINE_END, half) + 1)
    // Nothing in it: it tells readers where the log begins now.
    writeFileSync(`${path}.${newest}`, '', { mode: 0o600 })
    await punchHole(path, newest, signal)
  }
  for (const old of segmentsOf(path).slice(0, -LOG_SEGMENTS_KEPT)) rmSync(old.path, { force: true })
  return true
}

/** False: there is no room for it, though all older segments are gone. */
function keepSegment(path: string, from: number, bytes: Uint8Array): boolean {
  const temporary = `${path}.cutting`
  while (true) {
    try {
      writeFileSync(temporary, bytes, { mode: 0o600 })
      renameSync(temporary, `${path}.${from}`)
      return true
    } catch (failed) {
      rmSync(temporary, { force: true })
      if ((failed as NodeJS.ErrnoException).code !== 'ENOSPC') throw failed
    }
    const oldest = segmentsOf(path).find(({ from: start, to }) => to > start)
    if (oldest === undefined) return false
    rmSync(oldest.path, { force: true })
  }
}

/** fallocate(2) is not in Node; util-linux, which the engine needs anyway, has it. Whole blocks are freed, the rest reads as before. */
async function punchHole(path: string, length: number, signal: AbortSignal): Promise<void> {
  const args = ['--punch-hole', '--offset', '0', '--length', String(length), '--', path]
  await run('fallocate', args, { env: { PATH: process.env.PATH ?? '/usr/bin:/bin' }, timeoutMs: 30_000, signal })
}

/** Deletes the logs of replicas for which `isOld` says so. */
export function deleteLogs(folder: string, scope: Scope, isOld: (replica: string) => boolean): void {
  const from = logFolder(folder, scope)
  for (const name of readdirSync(from, { withFileTypes: true }).map((entry) => entry.name)) {
    const replica = name.slice(0, name.indexOf('.log'))
    if (isOld(replica)) rmSync(join(from, name), { force: true })
  }
}
