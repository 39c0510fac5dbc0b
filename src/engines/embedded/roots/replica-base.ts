import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { DEVICES } from './start/mount-table.ts'
import type { ImageFiles } from './image/image-files.ts'

export interface BaseOptions {
  readonly files: ImageFiles
  readonly hostname: string
  /** Folders that must be there: the working directory. */
  readonly folders: readonly string[]
  /** Files that must be there, to be covered by a mount or written later: their folders are made. */
  readonly mountPoints: readonly string[]
  readonly fileFolders: readonly string[]
  /** `mounts`: empty files to mount devices on. A folder: device nodes in it are linked. null: no /dev, /proc and /etc at all. */
  readonly devices: 'mounts' | string | null
  readonly owners: boolean
}

/**
 * Fills the topmost lower folder of a replica with what programs expect and images lack: /dev, /proc, hosts, resolv.conf,
 * hostname, the working directory. Folders that the image has keep their mode and owner.
 */
export function fillBase(base: string, options: BaseOptions): void {
  const top = options.files.find('/')
  if (top !== null) settle(base, top.stats, options.owners)
  const layer = new BaseLayer(base, options)
  for (const folder of options.folders) layer.folder(folder)
  if (options.devices !== null) {
    fillDevices(layer, options.devices)
    fillNetwork(layer, options)
  }
  for (const path of options.mountPoints) layer.file(path, '', true)
  for (const path of options.fileFolders) layer.folder(dirname(path))
}

function fillDevices(layer: BaseLayer, devices: string): void {
  const dev = layer.folder('/dev')
  if (dev === null) return
  for (const name of DEVICES) {
    const target = join(dev, name)
    if (existsSync(target)) continue
    if (devices === 'mounts') writeFileSync(target, '', { mode: 0o666 })
    else if (existsSync(join(devices, name))) linkSync(join(devices, name), target)
    // Where no node can be made: what is written to it is kept, which is better than no /dev/null. A file of random bytes would not be.
    else if (name === 'null') writeFileSync(target, '', { mode: 0o666 })
  }
  if (devices !== 'mounts') return
  layer.folder('/dev/shm')
  layer.folder('/proc')
  const links = [
    ['fd', '/proc/self/fd'],
    ['stdin', '/proc/self/fd/0'],
    ['stdout', '/proc/self/fd/1'],
    ['stderr', '/proc/self/fd/2'],
  ] as const
  for (const [name, target] of links) if (!existsSync(join(dev, name))) symlinkSync(target, join(dev, name))
}

function fillNetwork(layer: BaseLayer, { hostname }: BaseOptions): void {
  layer.file('/etc/hosts', `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t${hostname}\n`)
  layer.file('/etc/hostname', `${hostname}\n`)
  layer.file('/etc/resolv.conf', hostResolver())
}

/** Replicas share the host's network, so its resolver is theirs, also one on a loopback address. */
function hostResolver(): string {
  try {
    return readFileSync('/etc/resolv.conf', 'utf8')
  } catch {
    return ''
  }
}

class BaseLayer {
  readonly #base: string
  readonly #files: ImageFiles
  readonly #owners: boolean

  constructor(base: string, { files, owners }: BaseOptions) {
    this.#base = base
    this.#files = files
    this.#owners = owners
  }

  /** Makes a folder of the image in the base, with the image's mode and owner; null where the image has something else there. */
  folder(path: string): string | null {
    if (path === '/') return this.#base
    const found = this.#files.find(path)
    if (found !== null && !found.stats.isDirectory()) return null
    const inside = found?.inside ?? path
    const parent = this.folder(dirname(inside))
    if (parent === null) return null
    const host = join(parent, inside.slice(dirname(inside).length).replace('/', ''))
    if (existsSync(host)) return host
    mkdirSync(host)
    settle(host, found?.stats ?? { mode: 0o755, uid: 0, gid: 0 }, this.#owners)
    return host
  }

  /** Writes a file where the image has none or an empty one; an image with a link there knows why. `always`: also over one. */
  file(path: string, content: string, always = false): void {
    const found = this.#files.find(path)
    if (found !== null && !always && (!found.stats.isFile() || found.stats.size > 0)) return
    const inside = found?.inside ?? path
    const folder = this.folder(dirname(inside))
    if (folder === null) return
    const host = join(folder, inside.slice(inside.lastIndexOf('/') + 1))
    writeFileSync(host, content, { mode: 0o644 })
    chmodSync(host, 0o644)
  }
}

function settle(host: string, { mode, uid, gid }: { mode: number; uid: number; gid: number }, owners: boolean): void {
  if (owners) chownSync(host, uid, gid)
  chmodSync(host, owners ? mode & 0o7777 : (mode & 0o777) | 0o700)
}
