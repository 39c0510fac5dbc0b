import { closeSync, openSync, readdirSync, readSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Scope } from '../../../../model/app.ts'

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

/** Bytes that were ever written, or since its program emptied it (`echo … >/dev/stderr` of a shell does); 0 when there is no log. */
export const logEnd = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** What is still there of a log, oldest first. One that its program emptied begins anew: segments of before have offsets that mean nothing now. */
export function logParts(path: string): LogPart[] {
  const segments = segmentsOf(path)
  const start = segments.at(-1)?.to ?? 0
  const end = logEnd(path)
  return end < start
    ? [{ path, from: 0, to: end, live: true }]
    : [...segments, { path, from: start, to: end, live: true }]
}

/** What was cut off and is kept, oldest first. */
export function segmentsOf(path: string): LogPart[] {
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
  const from = Math.max(end < offset ? 0 : offset, end - 65_536)
  if (end <= from) return []
  const text = readPart({ path, from, to: end, live: true }, from, end).toString('utf8').replaceAll('\0', '')
  return text
    .split('\n')
    .filter((line, at, all) => line !== '' || at < all.length - 1)
    .slice(-lines)
}

/** Deletes the logs of replicas for which `isOld` says so. */
export function deleteLogs(folder: string, scope: Scope, isOld: (replica: string) => boolean): void {
  const from = logFolder(folder, scope)
  for (const name of readdirSync(from, { withFileTypes: true }).map((entry) => entry.name)) {
    const replica = name.slice(0, name.indexOf('.log'))
    if (isOld(replica)) rmSync(join(from, name), { force: true })
  }
}
