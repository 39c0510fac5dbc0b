import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../../../../os/atomic-file.ts'

/** An unpacked layer, or several merged into one because one of them deletes something of another. */
export interface UnpackedLayer {
  /** Name of its folder: short, because 60 lower folders must fit into the 4 KB of mount options. */
  readonly short: string
  readonly bytes: number
  /** Paths that it deletes in the layers below, and folders of which nothing below is seen. */
  readonly whiteouts: readonly string[]
  readonly opaque: readonly string[]
  /** Folders that it does not describe: mode and owner are those of a layer below, where one has them. '' is the root. */
  readonly implicit: readonly string[]
}

/** Which folder holds which layer: key is the diffID, or `merged:` and the diffIDs' hash. */
export interface LayerIndex {
  readonly version: 1
  /** Counts up, so that a short name is not given twice while a mount may still use it. */
  readonly next: number
  readonly layers: Readonly<Record<string, UnpackedLayer>>
}

const EMPTY: LayerIndex = { version: 1, next: 1, layers: {} }
const file = (folder: string) => join(folder, 'index.json')

/** Reads the index of a folder of layers. One that is missing or not readable is empty: layers are a copy of what the store has. */
export async function readLayerIndex(folder: string): Promise<LayerIndex> {
  try {
    const index = JSON.parse(await readFile(file(folder), 'utf8')) as LayerIndex
    return index.version === 1 ? index : EMPTY
  } catch (failed) {
    if (failed instanceof SyntaxError || (failed as NodeJS.ErrnoException).code === 'ENOENT') return EMPTY
    throw failed
  }
}

/** Replaces the index. */
export const writeLayerIndex = (folder: string, index: LayerIndex): Promise<void> =>
  writeFileAtomic(file(folder), JSON.stringify(index), 0o600)
