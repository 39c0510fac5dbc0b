import { renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { run } from '../../../../os/run.ts'
import { type LogPart, logParts, readPart, segmentsOf } from './log-file.ts'

/**
 * A replica's log is one file that its processes append to directly, so that no reader's death can stop them. A child's file
 * cannot be exchanged under it, and copy-and-truncate loses what is written in between. So the file is cut at its beginning:
 * whole lines are copied to `NAME.log.OFFSET`, and then a hole is punched there, which takes the space back and leaves every
 * offset as it was. No line is lost, readers go on by offset, and a crash between the two steps costs only disk space.
 *
 * A program whose standard output is a file gets ENOSPC on a full disk, and many end of it: a log has room reserved beyond its
 * end, so that what serves goes on serving (F6).
 */
export const LOG_LIMIT_BYTES = 10 * 2 ** 20
export const LOG_SEGMENTS_KEPT = 5
/** What a program can write on a full disk before the keeper looks again. */
export const LOG_RESERVE_BYTES = 2 ** 20
/** Less is not worth a program to be started. */
const LEAST_RESERVE_BYTES = 2 ** 16
/** What a cut takes into memory at most: as much as is kept in the end. */
const MOST_AT_ONCE_BYTES = LOG_LIMIT_BYTES * LOG_SEGMENTS_KEPT
const LINE_END = 0x0a

/**
 * Cuts a log whose live part is longer than the limit. Answers whether it did. On a full disk the oldest segments make room;
 * without any the live part may grow to twice the limit before its older half is given up: a log must not keep a disk full (F6).
 */
export async function cutLog(path: string, limit: number, signal: AbortSignal): Promise<boolean> {
  const parts = logParts(path)
  const live = parts.at(-1)
  if (live === undefined || live.to - live.from <= limit) return false
  // Of before its program emptied the log: their names would say offsets of what is now written.
  if (parts.length === 1) for (const { path: stale } of segmentsOf(path)) rmSync(stale, { force: true })
  // However much was written while no keeper looked.
  const from = Math.max(live.from, live.to - MOST_AT_ONCE_BYTES)
  const bytes = readPart(live, from, live.to)
  const lineEnd = bytes.lastIndexOf(LINE_END) + 1
  const whole = lineEnd === 0 ? bytes : bytes.subarray(0, lineEnd)
  if (keepSegment(path, from, whole)) {
    await punchHole(path, from + whole.length, signal)
  } else {
    if (live.to - live.from <= 2 * limit) return false
    await giveUpOldest(live, limit, signal)
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

/** Lets the live part begin so many bytes before its end, at a line. */
async function giveUpOldest(live: LogPart, keepBytes: number, signal: AbortSignal): Promise<void> {
  const from = live.to - keepBytes
  const lineEnd = readPart(live, from, live.to).indexOf(LINE_END)
  const newest = from + lineEnd + 1
  // Nothing in it: it tells readers where the log begins now.
  writeFileSync(`${live.path}.${newest}`, '', { mode: 0o600 })
  await punchHole(live.path, newest, signal)
}

/**
 * Keeps room for what the log's program writes next. Where there is none the log gives up its own oldest lines. False: this
 * file system cannot reserve.
 */
export async function reserveLog(path: string, signal: AbortSignal): Promise<boolean> {
  if (reservedBytes(path) >= LOG_RESERVE_BYTES / 2) return true
  for (let bytes = LOG_RESERVE_BYTES; bytes >= LEAST_RESERVE_BYTES; bytes /= 2) {
    const reserved = await reserve(path, bytes, signal)
    if (reserved !== 'no-room') return reserved === 'done'
    const oldest = segmentsOf(path).find(({ from, to }) => to > from)
    const live = logParts(path).at(-1)
    if (oldest !== undefined) rmSync(oldest.path, { force: true })
    else if (live !== undefined && live.to - live.from > bytes) await giveUpOldest(live, bytes, signal)
  }
  return true
}

/** Gives back what was reserved. Only when nothing writes to it any more. */
export function releaseLog(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found !== undefined && reservedBytes(path) > 0) truncateSync(path, found.size)
}

/** Allocated beyond the end: what is allocated at all, less the part that was not cut off; exact to a block or two. */
function reservedBytes(path: string): number {
  const { blocks, blksize, size } = statSync(path)
  const from = logParts(path).at(-1)?.from ?? 0
  return Math.max(0, blocks * 512 - (size - from) - 2 * blksize)
}

async function reserve(path: string, bytes: number, signal: AbortSignal): Promise<'done' | 'no-room' | 'not-possible'> {
  const { size } = statSync(path)
  const { code, stderr } = await fallocate(['--keep-size', '--offset', `${size}`, '--length', `${bytes}`], path, signal)
  if (code === 0) return 'done'
  return /No space left|quota/i.test(stderr) ? 'no-room' : 'not-possible'
}

/** Whole blocks are freed, the rest reads as before. */
const punchHole = (path: string, length: number, signal: AbortSignal) =>
  fallocate(['--punch-hole', '--offset', '0', '--length', String(length)], path, signal)

/** fallocate(2) is not in Node; util-linux, which the engine needs anyway, has it. */
const fallocate = (args: readonly string[], path: string, signal: AbortSignal) =>
  run('fallocate', [...args, '--', path], {
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C' },
    timeoutMs: 30_000,
    signal,
  })
