import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { diskFull } from '../../../model/disk-full.ts'
import { makeFolder, syncPath, syncTree } from '../../../os/atomic-file.ts'
import { checkRoom, type LayerStore, syncFileSystem } from './layers/layer-store.ts'
import { mergeLayers } from './layers/merge-layers.ts'
import { removeTree } from './layers/remove-tree.ts'
import type { PreparedRelease } from './image/prepared-release.ts'

/** What a replica's folder was made from; the last thing that is written into it. */
interface Made {
  readonly artifact: string
  /** Short names of the lower folders that it is mounted from; [] for a copy. */
  readonly lowers: readonly string[]
}

export interface ReplicaFolderOptions {
  readonly key: string
  readonly prepared: PreparedRelease
  readonly overlay: boolean
  readonly owners: boolean
  /** Fills the topmost lower folder. */
  fillBase(base: string): void
}

/** The folders of replicas: `base`, `upper`, `work` and a mount point `root` for an overlay; `root` alone for a copy. */
export class ReplicaFolders {
  readonly folder: string
  readonly #layers: LayerStore

  constructor(folder: string, layers: LayerStore) {
    this.folder = folder
    this.#layers = layers
  }

  path(key: string): string {
    return join(this.folder, key)
  }

  /** Removes what a killed process left half made. */
  async sweep(): Promise<void> {
    await makeFolder(this.folder, 0o700)
    for (const name of await readdir(this.folder)) if (name.startsWith('.')) removeTree(join(this.folder, name))
  }

  /** Makes a replica's folder, beside and then renamed; one of the same image that is there already stays as it is. */
  async make(options: ReplicaFolderOptions, signal: AbortSignal): Promise<string> {
    const { key, prepared, overlay } = options
    const folder = this.path(key)
    if ((await this.#made(key))?.artifact === prepared.artifact) return folder
    const part = join(this.folder, `.${key}.part`)
    try {
      removeTree(part)
      removeTree(folder)
      mkdirSync(part, { mode: 0o700 })
      for (const name of ['base', 'root', 'upper', 'work']) makeOpen(join(part, name))
      options.fillBase(join(part, 'base'))
      if (!overlay) await this.#copy(part, options, signal)
      const made: Made = { artifact: prepared.artifact, lowers: overlay ? prepared.lowers : [] }
      writeFileSync(join(part, 'made.json'), JSON.stringify(made))
      renameSync(part, folder)
      return folder
    } catch (failed) {
      removeTree(part)
      throw diskFull(failed, `making the root of replica ${key}`, this.folder)
    }
  }

  /** Brings a replica's folder to the disk. What its program writes meanwhile is its own affair. */
  async settle(key: string, overlay: boolean, signal: AbortSignal): Promise<void> {
    const folder = this.path(key)
    if (!overlay) return syncFileSystem(folder, signal)
    const files = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile())
    await Promise.all([
      syncTree(join(folder, 'base')),
      ...files.map(({ name }) => syncPath(join(folder, name))),
      syncPath(folder),
      syncPath(this.folder),
    ])
  }

  remove(key: string): void {
    removeTree(this.path(key))
    removeTree(join(this.folder, `.${key}.part`))
  }

  async keys(): Promise<readonly string[]> {
    return (await readdir(this.folder)).filter((name) => !name.startsWith('.'))
  }

  /** Short names of layers that replicas are mounted from. */
  async used(): Promise<readonly string[]> {
    const made = await Promise.all((await this.keys()).map((key) => this.#made(key)))
    return made.flatMap((one) => one?.lowers ?? [])
  }

  async #copy(part: string, { prepared, owners }: ReplicaFolderOptions, signal: AbortSignal): Promise<void> {
    const layers = prepared.layers.flatMap((short) => this.#layers.named(short) ?? [])
    await checkRoom(
      this.folder,
      layers.reduce((sum, { bytes }) => sum + bytes, 0),
    )
    const base = { folder: join(part, 'base'), whiteouts: [], opaque: [], implicit: [] }
    const all = [...layers.map((layer) => ({ ...layer, folder: this.#layers.path(layer) })), base]
    await mergeLayers(all, join(part, 'root'), { files: 'copy', owners, signal })
    removeTree(join(part, 'base'))
  }

  async #made(key: string): Promise<Made | null> {
    try {
      return JSON.parse(await readFile(join(this.path(key), 'made.json'), 'utf8')) as Made
    } catch {
      return null // not there or torn: it is made again
    }
  }
}

/** Whatever the umask is: programs of any user must get into their root. */
function makeOpen(folder: string): void {
  mkdirSync(folder)
  chmodSync(folder, 0o755)
}
