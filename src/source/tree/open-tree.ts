import type { KeptReaders } from '../objects/kept-readers.ts'
import type { ObjectCall, ObjectHeader, ObjectReader } from '../objects/object-reader.ts'
import { readObjects } from '../objects/read-objects.ts'
import { gitFailure } from '../git-failure.ts'
import type { SourceTree } from '../source.ts'
import type { ReadTrees, TreeLists } from './tree-lists.ts'

/** Where trees are read from. */
export interface TreeStore {
  readonly readers: KeptReaders
  readonly lists: TreeLists
  readonly gitDir: string
}

/** The files of a tree, read from the repository itself; null: git's checkout has to lay them out (see tree-lists.ts). Throws SOURCE_*. */
export async function openTree(store: TreeStore, id: string, call: ObjectCall): Promise<SourceTree | null> {
  const lent = store.readers.lend(store.gitDir)
  let isOpen = true
  const end = () => {
    isOpen = false
    call.signal.removeEventListener('abort', end)
    lent.giveBack()
  }
  call.signal.addEventListener('abort', end)
  try {
    const entries = await store.lists.of(id, treesBy(lent.reader, call))
    if (entries !== null) {
      return {
        entries,
        read: async (ids, take) => {
          if (!isOpen) throw new Error('this tree was closed')
          await lent.reader.read(ids, (blob, header) => take(blob, sizeOf(blob, header, call)), call)
        },
        close: async () => end(),
      }
    }
  } catch (failed) {
    end()
    throw failed
  }
  end()
  return null
}

const treesBy =
  (reader: ObjectReader, call: ObjectCall): ReadTrees =>
  async (ids) => {
    const objects = await readObjects(reader, ids, call)
    const trees = ids.map((id) => {
      const object = objects.get(id)
      if (object?.kind !== 'tree') throw gitFailure(`missing tree ${id}`, call.url, call.doing, null)
      return [id, object.bytes] as const
    })
    return new Map(trees)
  }

function sizeOf(id: string, { kind, size }: ObjectHeader, { url, doing }: ObjectCall): number {
  if (kind !== 'blob') throw gitFailure(`missing blob ${id}`, url, doing, null)
  return size
}
