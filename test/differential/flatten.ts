import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { call } from '../peers/call.ts'

/** What is at a path of a root file system. */
export interface FlatEntry {
  /** Type, mode, owner, size, content or target, other names of the file, attributes, numbers of a device. */
  readonly text: string
  readonly mtime: number
}

/** An unpacked root file system, path by path, as the kernel and getfattr tell it. */
export async function flatten(root: string): Promise<ReadonlyMap<string, FlatEntry>> {
  const found = new Map<string, FlatEntry>()
  const firstNames = new Map<number, string>()
  const attributes = await readAttributes(root)
  const walk = async (path: string): Promise<void> => {
    const { text, mtime, isFolder } = await describe(root, path, firstNames)
    const own = attributes.get(path)
    found.set(`/${path}`, { text: own === undefined ? text : `${text} ${own}`, mtime })
    if (!isFolder) return
    for (const name of (await readdir(join(root, path))).sort()) await walk(path === '' ? name : `${path}/${name}`)
  }
  await walk('')
  return found
}

async function describe(root: string, path: string, firstNames: Map<number, string>) {
  const full = join(root, path)
  const seen = await lstat(full)
  const basics = `${(seen.mode & 0o7777).toString(8)} ${seen.uid}:${seen.gid}`
  const mtime = Math.floor(seen.mtimeMs / 1000)
  const answer = (text: string) => ({ text, mtime, isFolder: seen.isDirectory() })
  if (seen.isDirectory()) return answer(`folder ${basics}`)
  if (seen.isSymbolicLink()) return answer(`link ${seen.uid}:${seen.gid} ${await readlink(full)}`)
  const first = firstNames.get(seen.ino) ?? path
  firstNames.set(seen.ino, first)
  const also = seen.nlink > 1 ? ` ${seen.nlink} names, first ${first}` : ''
  if (seen.isFile()) return answer(`file ${basics} ${seen.size} ${await digest(full)}${also}`)
  const kind = seen.isFIFO() ? 'pipe' : seen.isCharacterDevice() ? 'character device' : 'other'
  return answer(`${kind} ${basics} ${seen.rdev}${also}`)
}

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex').slice(0, 16)
}

async function readAttributes(root: string): Promise<ReadonlyMap<string, string>> {
  const said = await call('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'], { cwd: root })
  return new Map(
    said
      .split('\n\n')
      .map((part) => part.trim().split('\n'))
      .filter(([head = '']) => head.startsWith('# file: '))
      // umoci's own mark for what it could not do as an ordinary user.
      .map(([head = '', ...lines]) => [
        head.slice('# file: '.length).replace(/^\.\/?/, ''),
        lines
          .filter((line) => !line.startsWith('user.rootlesscontainers'))
          .sort()
          .join(' '),
      ]),
  )
}
