import { createHash } from 'node:crypto'
import { lstatSync, type Stats } from 'node:fs'
import { chmod, mkdir, readdir, rename, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Descriptor } from '../../../../model/descriptor.ts'
import { diskFull, freeSpace } from '../../../../model/disk-full.ts'
import { DeployError } from '../../../../model/failure.ts'
import { makeFolder, syncFolder } from '../../../../os/atomic-file.ts'
import { run } from '../../../../os/run.ts'
import { ByteSource } from '../../../../lib/byte-source.ts'
import { Folder } from './folder.ts'
import { extractLayer } from './extract-layer.ts'
import { type LayerIndex, readLayerIndex, type UnpackedLayer, writeLayerIndex } from './layer-index.ts'
import { LAYER_LIMITS, type LayerLimits } from './layer-limits.ts'
import { mergeLayers } from './merge-layers.ts'
import { layerCompression, plainLayer } from './plain-layer.ts'
import { removeTree } from './remove-tree.ts'
import { readTar } from './tar-reader.ts'

/** A layer of an image: as it is stored, and the digest of its plain tar. */
export interface ImageLayer {
  readonly descriptor: Descriptor
  readonly diffId: string
}

type OpenBlob = (digest: string, signal: AbortSignal) => Promise<Readable>

/**
 * Unpacked layers in one folder, each once, under short names. A layer is there when the index names it: it is unpacked
 * beside, synced, renamed, and named last, so `kill -9` at any point leaves nothing that counts. One process at a time; calls are
 * made one after the other by the owner.
 */
export class LayerStore {
  readonly folder: string
  readonly #owners: boolean
  readonly #limits: LayerLimits
  #index: LayerIndex

  private constructor(folder: string, owners: boolean, limits: LayerLimits, index: LayerIndex) {
    this.folder = folder
    this.#owners = owners
    this.#limits = limits
    this.#index = index
  }

  /** Opens the folder and removes what a killed process left half unpacked. */
  static async open(folder: string, options: { owners: boolean; limits?: LayerLimits }): Promise<LayerStore> {
    await makeFolder(folder, 0o700)
    const store = new LayerStore(folder, options.owners, options.limits ?? LAYER_LIMITS, await readLayerIndex(folder))
    await store.#sweep()
    return store
  }

  /** The unpacked layer, or null. */
  find(key: string): UnpackedLayer | null {
    return this.#index.layers[key] ?? null
  }

  /** The layer of a folder's name, or null. */
  named(short: string): UnpackedLayer | null {
    return Object.values(this.#index.layers).find((layer) => layer.short === short) ?? null
  }

  path(layer: UnpackedLayer): string {
    return join(this.folder, layer.short)
  }

  /** Unpacks what is missing of an image. Room is checked before anything is written. Throws IMAGE_INVALID, DIGEST_MISMATCH, DISK_FULL. */
  async unpack(layers: readonly ImageLayer[], open: OpenBlob, signal: AbortSignal): Promise<readonly UnpackedLayer[]> {
    const missing = layers.filter(({ diffId }) => this.find(diffId) === null)
    await checkRoom(
      this.folder,
      missing.map(({ descriptor }) => roomFor(descriptor)).reduce((a, b) => a + b, 0),
    )
    const unpacked: UnpackedLayer[] = []
    for (const layer of layers) unpacked.push(this.find(layer.diffId) ?? (await this.#unpackOne(layer, open, signal)))
    return unpacked
  }

  /**
   * The lower folders of an overlay, the top first. Where a layer deletes something, or there are too many, they are merged into
   * one (hard links). The kernel refuses a folder that is there twice (ELOOP): of a layer that an image has again, which builders
   * do with empty ones, the topmost counts, since it hides the others.
   */
  async lowers(all: readonly UnpackedLayer[], signal: AbortSignal): Promise<readonly UnpackedLayer[]> {
    const layers = all.filter(({ short }, at) => all.findLastIndex((other) => other.short === short) === at)
    const plain = layers.every(({ whiteouts, opaque }) => whiteouts.length + opaque.length === 0)
    if (plain && !this.#hidesSettings(layers) && layers.length <= MOST_LOWERS) return [...layers].reverse()
    const key = `merged:${createHash('sha256')
      .update(layers.map(({ short }) => short).join('/'))
      .digest('hex')}`
    const options = { files: 'link', owners: this.#owners, signal } as const
    const merged = async (folder: string) => {
      await mergeLayers(
        layers.map((layer) => ({ ...layer, folder: this.path(layer) })),
        folder,
        options,
      )
      return { bytes: 0, whiteouts: [], opaque: [], implicit: [] }
    }
    return [this.find(key) ?? (await this.#add(key, merged, 'merging layers'))]
  }

  /** Whether a folder that a layer does not describe would hide another mode or owner of a layer below: an overlay shows the topmost. */
  #hidesSettings(layers: readonly UnpackedLayer[]): boolean {
    return layers.some(({ short, implicit }, at) =>
      implicit.some((path) => {
        const mine = lstatSync(join(this.folder, short, path), { throwIfNoEntry: false })
        const below = layers.slice(0, at).flatMap((layer) => look(join(this.folder, layer.short), path) ?? [])
        const other = ({ mode, uid, gid }: Stats) => mode !== mine?.mode || uid !== mine.uid || gid !== mine.gid
        return mine?.isDirectory() === true && below.some(other)
      }),
    )
  }

  /** Deletes the layers that are not in use, each first from the index. */
  async prune(used: ReadonlySet<string>): Promise<void> {
    const kept = Object.entries(this.#index.layers).filter(([, { short }]) => used.has(short))
    if (kept.length === Object.keys(this.#index.layers).length) return
    await this.#write({ ...this.#index, layers: Object.fromEntries(kept) })
    await this.#sweep()
  }

  async #unpackOne(layer: ImageLayer, open: OpenBlob, signal: AbortSignal): Promise<UnpackedLayer> {
    layerCompression(layer.descriptor.mediaType)
    const extract = async (folder: string) => {
      const stored = await open(layer.descriptor.digest, signal)
      const plain = plainLayer(layer.descriptor, layer.diffId, stored, this.#limits)
      try {
        const options = { owners: this.#owners, limits: this.#limits, signal }
        const extracted = await extractLayer(readTar(new ByteSource(plain)), folder, options)
        if (!extracted.synced) await syncFileSystem(folder, signal)
        return extracted
      } finally {
        stored.destroy()
      }
    }
    return this.#add(layer.diffId, extract, `unpacking layer ${layer.descriptor.digest}`)
  }

  async #add(
    key: string,
    fill: (folder: string) => Promise<Omit<UnpackedLayer, 'short'>>,
    doing: string,
  ): Promise<UnpackedLayer> {
    const short = this.#index.next.toString(36)
    const folder = join(this.folder, short)
    const part = join(this.folder, `.${short}.part`)
    try {
      removeTree(part)
      removeTree(folder)
      await mkdir(part)
      // Whatever the umask is: programs of any user must get into their root.
      await chmod(part, 0o755)
      const { bytes, whiteouts, opaque, implicit } = await fill(part)
      await rename(part, folder)
      await syncFolder(this.folder)
      const layer = { short, bytes, whiteouts, opaque, implicit }
      await this.#write({ ...this.#index, next: this.#index.next + 1, layers: { ...this.#index.layers, [key]: layer } })
      return layer
    } catch (failed) {
      removeTree(part)
      throw diskFull(failed, doing, this.folder)
    }
  }

  async #write(index: LayerIndex): Promise<void> {
    await writeLayerIndex(this.folder, index)
    this.#index = index
  }

  async #sweep(): Promise<void> {
    const known = new Set(['index.json', ...Object.values(this.#index.layers).map(({ short }) => short)])
    for (const name of await readdir(this.folder)) if (!known.has(name)) removeTree(join(this.folder, name))
  }
}

/** What a layer has at a path; no link on the way is followed. */
function look(layer: string, path: string): Stats | null {
  const root = Folder.open(layer)
  const folder = root.find(path.split('/').filter(Boolean))
  root.close()
  if (folder === null) return null
  try {
    return lstatSync(folder.at('.'))
  } finally {
    folder.close()
  }
}

/** Far below what 4 KB of mount options hold with names of two letters, and below overlayfs' own 500. */
const MOST_LOWERS = 60

/** A guess before the layer is read: compressed program files grow about threefold. */
function roomFor(layer: Descriptor): number {
  return layer.size * (layerCompression(layer.mediaType) === 'none' ? 1 : 3)
}

/** Throws DISK_FULL when the file system of a folder has less than this free, and 16 MiB more. */
export async function checkRoom(folder: string, bytes: number): Promise<void> {
  if (bytes === 0) return
  const { bavail, bsize } = await statfs(folder)
  const [free, needed] = [bavail * bsize, bytes + 16 * 2 ** 20]
  if (free >= needed) return
  throw new DeployError(
    'DISK_FULL',
    `${megabytes(free)} MB are free in ${folder}, about ${megabytes(needed)} MB are needed`,
    {
      hint: freeSpace(folder),
      detail: { free, needed },
    },
  )
}

const megabytes = (bytes: number) => Math.round(bytes / 1e6)

/** Brings all files of the file system around a folder to the disk at once (syncfs). */
export async function syncFileSystem(folder: string, signal: AbortSignal): Promise<void> {
  const env = { PATH: process.env.PATH ?? '/usr/bin:/bin' }
  const { code, stderr } = await run('sync', ['--file-system', '--', folder], { env, timeoutMs: 120_000, signal })
  if (code !== 0) throw new Error(`sync ended with ${code}: ${stderr.trim()}`)
}
