import { closeSync, constants, lstatSync, openSync, readlinkSync, readSync, type Stats } from 'node:fs'
import { join } from 'node:path'

/** Something found in an image: where it is there, and on this machine. Never a link: links were followed, inside the image. */
export interface ImageFile {
  /** Absolute path inside the image, without links. */
  readonly inside: string
  /** Path on this machine: of the topmost layer that has it. */
  readonly host: string
  readonly stats: Stats
}

const MOST_LINKS = 40

/**
 * The files of an image as its program will see them: several folders over one another, the top first, by overlayfs' rules,
 * or just one. Links are followed as inside the image, so no path leads out of it. Nobody else may write to the folders.
 */
export class ImageFiles {
  readonly #folders: readonly string[]

  constructor(folders: readonly string[]) {
    this.#folders = folders
  }

  /** What stands at an absolute path, links followed; null: nothing, or a ring of links. */
  find(path: string): ImageFile | null {
    let names = split(path)
    let way: Way = []
    for (let links = 0; links <= MOST_LINKS; ) {
      const [name, ...rest] = names
      if (name === undefined) return this.#asFile(way)
      const next = this.#step(way, name)
      if (next === null) return null
      if (next.kind === 'file') return rest.length > 0 ? null : next.file
      names = next.kind === 'link' ? [...split(next.target), ...rest] : rest
      way = next.way
      if (next.kind === 'link') links++
    }
    return null
  }

  #step(way: Way, name: string): Next | null {
    if (name === '..') return { kind: 'folder', way: way.slice(0, -1) }
    const found = look(way.at(-1)?.folders ?? this.#folders, name)
    if (found === null) return null
    const { host, stats, folders } = found
    if (stats.isDirectory()) return { kind: 'folder', way: [...way, { name, folders }] }
    if (!stats.isSymbolicLink()) return { kind: 'file', file: { inside: insidePath([...way, { name }]), host, stats } }
    const target = readlinkSync(host)
    return { kind: 'link', target, way: target.startsWith('/') ? [] : way }
  }

  /** The first bytes of a regular file; null: there is none at that path. */
  read(path: string, most = 1024 * 1024): Buffer | null {
    const file = this.find(path)
    return file?.stats.isFile() === true ? readStart(file.host, most) : null
  }

  #asFile(way: Way): ImageFile | null {
    const host = way.at(-1)?.folders[0] ?? this.#folders[0]
    return host === undefined ? null : { inside: insidePath(way), host, stats: lstatSync(host) }
  }
}

/** The way from the root: at each depth the folders, of all layers, that are this one folder. */
type Way = readonly { readonly name: string; readonly folders: readonly string[] }[]

type Next =
  | { readonly kind: 'folder'; readonly way: Way }
  | { readonly kind: 'link'; readonly way: Way; readonly target: string }
  | { readonly kind: 'file'; readonly file: ImageFile }

const split = (path: string): string[] => path.split('/').filter((name) => name !== '' && name !== '.')
const insidePath = (way: readonly { readonly name: string }[]): string => `/${way.map(({ name }) => name).join('/')}`

/** The topmost thing of that name. A folder is made of the folders of that name from the top down to the first that is none. */
function look(
  folders: readonly string[],
  name: string,
): { readonly host: string; readonly stats: Stats; readonly folders: readonly string[] } | null {
  let top: { host: string; stats: Stats } | null = null
  const merged: string[] = []
  for (const folder of folders) {
    const host = join(folder, name)
    const stats = lstatSync(host, { throwIfNoEntry: false })
    if (stats === undefined) continue
    top ??= { host, stats }
    if (!stats.isDirectory()) break
    merged.push(host)
  }
  return top === null ? null : { ...top, folders: merged }
}

/** The first bytes of a file on this machine that must be no link. */
export function readStart(host: string, most: number): Buffer {
  const fd = openSync(host, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const buffer = Buffer.alloc(most)
    return buffer.subarray(0, readSync(fd, buffer, 0, most, 0))
  } finally {
    closeSync(fd)
  }
}
