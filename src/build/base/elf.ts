import { closeSync, openSync, readSync } from 'node:fs'

/** What a loader needs to know of a program or shared library. */
export interface Elf {
  /** e_machine: 62 is x86-64, 183 is AArch64. */
  readonly machine: number
  /** PT_INTERP: the loader; null for libraries and static programs. */
  readonly interpreter: string | null
  /** DT_NEEDED, in order. */
  readonly needed: readonly string[]
  /** DT_RUNPATH, else DT_RPATH: folders to look in first; may hold $ORIGIN. */
  readonly runPath: readonly string[]
}

const [PT_LOAD, PT_DYNAMIC, PT_INTERP] = [1, 2, 3]
const [DT_NEEDED, DT_STRTAB, DT_STRSZ, DT_RPATH, DT_RUNPATH] = [1, 5, 10, 15, 29]
/** No header, table or path that we read is larger; a file that says so is damaged. */
const MOST_BYTES = 16 * 2 ** 20

interface Segment {
  readonly type: number
  readonly offset: number
  readonly address: number
  readonly size: number
}

/** Reads the headers of a 64-bit little-endian ELF file (System V ABI, chapters 4 and 5); null when it is none. Reads only what it needs. */
export function readElf(path: string): Elf | null {
  const fd = openSync(path, 'r')
  try {
    const head = readAt(fd, 0, 64)
    const isElf = head.length === 64 && head.readUInt32BE(0) === 0x7f454c46 && head[4] === 2 && head[5] === 1
    return isElf ? parse(fd, head) : null
  } catch (failed) {
    if (failed instanceof RangeError) return null
    throw failed
  } finally {
    closeSync(fd)
  }
}

function parse(fd: number, head: Buffer): Elf {
  const segments = readSegments(fd, head)
  const interp = segments.find(({ type }) => type === PT_INTERP)
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC)
  const entries = dynamic === undefined ? [] : readDynamic(fd, dynamic)
  const value = (tag: number) => entries.find((entry) => entry.tag === tag)?.value
  const strings = readStrings(fd, segments, value(DT_STRTAB), value(DT_STRSZ))
  const text = (at: number) => strings.toString('utf8', at, Math.max(strings.indexOf(0, at), at))
  const runPath = value(DT_RUNPATH) ?? value(DT_RPATH)
  return {
    machine: head.readUInt16LE(18),
    interpreter:
      interp === undefined ? null : readAt(fd, interp.offset, interp.size).toString('utf8').replace(/\0.*$/s, ''),
    needed: entries.flatMap((entry) => (entry.tag === DT_NEEDED ? text(entry.value) : [])),
    runPath:
      runPath === undefined
        ? []
        : text(runPath)
            .split(':')
            .filter((folder) => folder !== ''),
  }
}

function readSegments(fd: number, head: Buffer): readonly Segment[] {
  const [start, size, count] = [Number(head.readBigUInt64LE(32)), head.readUInt16LE(54), head.readUInt16LE(56)]
  const table = readAt(fd, start, size * count)
  return Array.from({ length: count }, (_, at) => ({
    type: table.readUInt32LE(at * size),
    offset: Number(table.readBigUInt64LE(at * size + 8)),
    address: Number(table.readBigUInt64LE(at * size + 16)),
    size: Number(table.readBigUInt64LE(at * size + 32)),
  }))
}

function readDynamic(fd: number, { offset, size }: Segment): readonly { tag: number; value: number }[] {
  const table = readAt(fd, offset, size)
  const entries = Array.from({ length: Math.floor(table.length / 16) }, (_, at) => ({
    tag: Number(table.readBigInt64LE(at * 16)),
    value: Number(table.readBigUInt64LE(at * 16 + 8)),
  }))
  const end = entries.findIndex(({ tag }) => tag === 0)
  return end < 0 ? entries : entries.slice(0, end)
}

/** The string table is named by its address in memory; the segment that is loaded there says where it is in the file. */
function readStrings(fd: number, segments: readonly Segment[], address = 0, size = 0): Buffer {
  const segment = segments.find(
    ({ type, address: from, size: length }) => type === PT_LOAD && address >= from && address < from + length,
  )
  return segment === undefined ? Buffer.alloc(0) : readAt(fd, segment.offset + address - segment.address, size)
}

function readAt(fd: number, offset: number, size: number): Buffer {
  if (size > MOST_BYTES || offset < 0) throw new RangeError('not within the file')
  const buffer = Buffer.alloc(size)
  return buffer.subarray(0, readSync(fd, buffer, 0, size, offset))
}
