import { createHash, type Hash } from 'node:crypto'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { canonicalJson } from '../../lib/canonical-json.ts'
import type { LayerCompression } from '../../model/descriptor.ts'
import { compressed, compressionKey } from './compress.ts'
import type { Added, Content } from './file-entry.ts'
import { Spool } from './spool.ts'
import { type LayerFile, tarBytes } from './tar-bytes.ts'

/** Changes when the bytes of a layer would change for the same entries: cached digests of older forms are not used. */
const FORM = 'naru-layer-4'

/** Files are read synchronously (see content.ts): after so long other work of the process gets its turn. */
const SLICE_MS = 5
/** Entries of a layer that keeps nobody waiting. */
const LITTLE = 200

/** A layer as it goes into manifest and configuration. */
export interface MadeLayer {
  /** Of the plain tar. */
  readonly diffId: string
  /** Of the compressed blob. */
  readonly digest: string
  readonly size: number
}

/** The entries of a layer in the order of the tar, with the ids of their contents: this is what reads the sources. */
export function settleLayer(added: Added, signal: AbortSignal): Promise<readonly LayerFile[]> {
  return inOrder(added, (content) => content.id(), signal)
}

async function inOrder(
  added: Added,
  idOf: (content: Content) => string | Promise<string>,
  signal: AbortSignal,
): Promise<readonly LayerFile[]> {
  const files: LayerFile[] = []
  // What a little layer asks of a registry goes out before a large one is looked at.
  if (added.size > LITTLE) await turn()
  let turnAtMs = performance.now() + SLICE_MS
  for (const path of [...added.keys()].sort()) {
    const entry = added.get(path)
    if (entry === undefined || entry.type === 'special') continue
    if (performance.now() > turnAtMs) {
      await turn()
      turnAtMs = performance.now() + SLICE_MS
    }
    signal.throwIfAborted()
    files.push({ path, entry, id: entry.type === 'file' ? await idOf(entry.content) : '' })
  }
  return files
}

/** Equal keys are equal blobs, byte for byte. `name`: of the entries. */
export const layerKey = (name: string, compression: LayerCompression): string =>
  createHash('sha256')
    .update(`${FORM} ${compressionKey(compression)}\n${name}`)
    .digest('hex')

/** Equal names are equal entries. Reads only what has no name without being read. */
export async function entriesName(added: Added, signal: AbortSignal): Promise<string> {
  const files = await inOrder(added, (content) => content.name ?? content.id(), signal)
  // In one go: to hash thousands of short lines costs more than to make them.
  return createHash('sha256').update(files.map(factsOf).join('\n')).digest('hex')
}

function factsOf(file: LayerFile): string {
  const { type, mode, uid, gid, mtime, xattrs } = file.entry
  const link = type === 'symlink' ? file.entry.target : ''
  const rare = [...(xattrs === undefined ? [] : [xattrs]), ...hardLink(file)]
  const facts = [file.path, type, mode, uid, gid, mtime, link, file.id, ...rare]
  // Of nearly every file these are texts and numbers, where both forms are the same and the plain one is cheaper.
  return rare.length === 0 ? JSON.stringify(facts) : canonicalJson(facts)
}

const hardLink = ({ entry }: LayerFile): readonly string[] =>
  entry.type === 'file' && entry.linkTo !== undefined ? [entry.linkTo] : []

/** Packs and compresses a layer, and hands it to `use` before its bytes are forgotten. */
export async function makeLayer<Value>(
  files: readonly LayerFile[],
  { compression, temporary }: { readonly compression: LayerCompression; readonly temporary: string },
  signal: AbortSignal,
  use: (layer: MadeLayer, open: () => Readable) => Promise<Value>,
): Promise<Value> {
  const plain = createHash('sha256')
  const packed = createHash('sha256')
  const spool = new Spool(temporary)
  try {
    await pipeline(
      Readable.from(tarBytes(files), { highWaterMark: 2 }),
      through(plain),
      (tar: AsyncIterable<Uint8Array>) => compressed(tar, compression),
      through(packed),
      spool,
      { signal },
    )
    const layer = {
      diffId: `sha256:${plain.digest('hex')}`,
      digest: `sha256:${packed.digest('hex')}`,
      size: spool.size,
    }
    return await use(layer, () => spool.read())
  } finally {
    await spool.discard()
  }
}

/** Lets bytes pass and hashes them. */
function through(hash: Hash): Transform {
  return new Transform({
    transform(part: Uint8Array, _encoding, done) {
      hash.update(part)
      done(null, part)
    },
  })
}
