import { execFileSync } from 'node:child_process'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { packTar, type TarEntry } from 'modern-tar'

/** 2001-09-09. */
const TIME = new Date(1_000_000_000_000)

const ENTRIES: readonly TarEntry[] = [
  { header: { name: 'in/', type: 'directory', mode: 0o750, uid: 7, gid: 8, size: 0, mtime: TIME } },
  file('in/file', 'packed', { uid: 7, gid: 8, mode: 0o640 }),
  file('in/run', 'x', { mode: 0o4755 }),
  { header: { name: 'in/link', type: 'symlink', linkname: 'file', size: 0, mtime: TIME } },
  { header: { name: 'in/hard', type: 'link', linkname: 'in/file', size: 0, mtime: TIME } },
  file('own/parent/is/missing', 'deep'),
  file('나루', '한국'),
]

function file(name: string, text: string, header: Partial<TarEntry['header']> = {}): TarEntry {
  return {
    header: { name, size: Buffer.byteLength(text), type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: TIME, ...header },
    body: text,
  }
}

const tar = Buffer.from(await packTar([...ENTRIES]))
const through = (program: string): Uint8Array => execFileSync(program, ['-c'], { input: tar })

/** One archive in each form that ADD unpacks, made anew each time. */
export const ARCHIVES = {
  tar,
  gzip: gzipSync(tar),
  zstd: zstdCompressSync(tar),
  xz: through('xz'),
  bzip2: through('bzip2'),
} as const
/** Paths of it that have the time of the archive. */
export const ARCHIVE_TIMES = ['in', 'in/file', 'in/run', 'own/parent/is/missing']
