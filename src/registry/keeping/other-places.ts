import { Readable } from 'node:stream'
import { DeployError } from '../../model/failure.ts'
import { originOfCopy } from '../bases/copy-name.ts'
import type { ContentStore } from '../content-store.ts'
import type { ScrubTools } from '../disk/scrub.ts'

type Registry = ContentStore & { close(): void }

/** A repository of another registry. */
interface Place {
  readonly registry: string
  readonly repository: string
}

/**
 * Where else the content of a repository may be: a copy of another registry's image (`mirror/HOST/…`, or what `originOf` knows) there, anything
 * else under the same name at `from`. What such a place does not have, or refuses, it does not have.
 */
export function otherPlaces(
  open: (registry: string) => Promise<Registry>,
  from: string | null,
  originOf: (repository: string) => Place | null = () => null,
): ScrubTools['elsewhere'] {
  const opened = new Map<string, Promise<Registry>>()
  return async ({ repository, digest, isManifest }, signal) => {
    const origin =
      originOfCopy(repository) ?? originOf(repository) ?? (from === null ? null : { registry: from, repository })
    if (origin === null) return null
    const { registry } = origin
    const store = opened.get(registry) ?? open(registry)
    opened.set(registry, store)
    try {
      const bytes = await read(await store, origin.repository, digest, isManifest, signal)
      return bytes === null ? null : { place: `${registry}/${origin.repository}`, bytes }
    } catch (failed) {
      signal.throwIfAborted()
      if (failed instanceof DeployError) return null
      throw failed
    }
  }
}

async function read(
  store: Registry,
  repository: string,
  digest: string,
  isManifest: boolean,
  signal: AbortSignal,
): Promise<Readable | null> {
  if (!isManifest) return store.readBlob(repository, digest, signal)
  const manifest = await store.readManifest(repository, digest, signal)
  return manifest === null ? null : Readable.from([manifest.bytes])
}
