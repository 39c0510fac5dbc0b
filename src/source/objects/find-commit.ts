import { type CommitObject, parseCommit, tagged } from './commit-object.ts'
import type { KeptReaders } from './kept-readers.ts'
import type { ObjectCall } from './object-reader.ts'

/** Tags that name tags. */
const MOST_TAGS = 32

/** A commit with its id. */
export interface FoundCommit extends CommitObject {
  readonly id: string
}

/** The commit of an id; that of a tag leads to its commit. `missing`: there is no such object; `other`: it is no commit. Throws SOURCE_*. */
export async function findCommit(
  readers: KeptReaders,
  gitDir: string,
  id: string,
  call: ObjectCall,
): Promise<FoundCommit | 'missing' | 'other'> {
  let at = id
  for (let tags = 0; tags < MOST_TAGS; tags++) {
    const object = await readers.object(gitDir, at, call)
    if (object === null) return 'missing'
    if (object.kind === 'commit') {
      const commit = parseCommit(object.bytes)
      return commit === null ? 'other' : { ...commit, id: at }
    }
    const next = object.kind === 'tag' ? tagged(object.bytes) : null
    if (next === null) return 'other'
    at = next
  }
  return 'other'
}
