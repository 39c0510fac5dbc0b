import type { Added, FileEntry } from '../image/file-entry.ts'
import { parentOf } from '../image/file-tree.ts'
import { type IndexedLayer, indexedLayerOf, parseLayersIndex } from './layers-index.ts'

/** A part of a layer that changes at its own rate. */
export interface LayerPart {
  readonly name: string
  readonly added: Added
}

/** From what changes least to what changes most. */
const RATES = ['dependencies', 'snapshot-dependencies', 'resources', 'classes'] as const

/** An unpacked archive: the folder above BOOT-INF or WEB-INF. */
interface Archive {
  readonly root: string
  readonly index: readonly IndexedLayer[] | null
}

/**
 * Splits what a COPY added into layers by how often it changes, where it holds an unpacked Spring Boot jar or WAR: libraries,
 * snapshot libraries, resources, classes; or as the archive's own layers.idx says. The files, together, are the same. Anything
 * else stays one layer. `read`: the text of a small file.
 */
export async function splitLayer(
  added: Added,
  read: (entry: FileEntry) => Promise<string>,
): Promise<readonly LayerPart[]> {
  const archives = await archivesIn(added, read)
  // A hard link and what it points to have to stay in one layer.
  const linked = [...added.values()].some((entry) => entry.type === 'file' && entry.linkTo !== undefined)
  if (archives.length === 0 || linked) return [{ name: '', added }]
  const names = layerNames(archives)
  const rates = new Map<string, number>()
  for (const [path, entry] of added) {
    if (entry.type === 'directory') continue
    const rate = rateOf(path, archives, names)
    rates.set(path, rate)
    // A folder is in the first layer that has something in it.
    for (let folder = parentOf(path); added.has(folder); folder = parentOf(folder)) {
      rates.set(folder, Math.min(rate, rates.get(folder) ?? rate))
    }
  }
  const parts = names.map((name, rate): LayerPart => {
    const mine = [...added].filter(([path]) => (rates.get(path) ?? names.length - 1) === rate)
    return { name, added: new Map(mine) }
  })
  return parts.filter(({ added: mine }) => mine.size > 0)
}

async function archivesIn(added: Added, read: (entry: FileEntry) => Promise<string>): Promise<readonly Archive[]> {
  const roots = new Map<string, FileEntry | null>()
  for (const [path, entry] of added) {
    const [, root, below] = /^(.*?)(?:BOOT-INF|WEB-INF)\/(.*)$/.exec(path) ?? []
    if (root === undefined || (root !== '' && !root.endsWith('/'))) continue
    if (below === 'layers.idx' && entry.type === 'file') roots.set(root, entry)
    else if (!roots.has(root)) roots.set(root, null)
  }
  return Promise.all(
    [...roots].map(async ([root, entry]) => ({
      root,
      index: entry === null || entry.type !== 'file' ? null : parseLayersIndex(await read(entry)),
    })),
  )
}

/** Of several archives in one COPY the index of the first one that has one names the layers, when all have the same. */
function layerNames(archives: readonly Archive[]): readonly string[] {
  const names = archives.map(({ index }) => index?.map(({ name }) => name).join('\n') ?? null)
  const [first] = names
  return first !== null && first !== undefined && names.every((one) => one === first) ? first.split('\n') : RATES
}

function rateOf(path: string, archives: readonly Archive[], names: readonly string[]): number {
  const archive = archives.find(({ root }) => path.startsWith(root))
  if (archive === undefined) return names.length - 1
  const inside = path.slice(archive.root.length)
  if (names !== RATES && archive.index !== null) return indexedLayerOf(archive.index, inside)
  return RATES.indexOf(kindOf(inside))
}

/** A version that is built again under its name: `-SNAPSHOT`, or with the time of its build, as Maven stores it. */
const SNAPSHOT = /-(?:SNAPSHOT|\d{8}\.\d{6}-\d+)(?:-[a-z]+)?\.jar$/

function kindOf(path: string): (typeof RATES)[number] {
  if (/^(?:BOOT-INF|WEB-INF)\/lib[^/]*\//.test(path))
    return SNAPSHOT.test(path) ? 'snapshot-dependencies' : 'dependencies'
  if (path.startsWith('org/springframework/boot/loader/')) return 'dependencies'
  return path.endsWith('.class') || path.startsWith('META-INF/') || /^(?:BOOT|WEB)-INF\/[a-z]+\.idx$/.test(path)
    ? 'classes'
    : 'resources'
}
