import { addAbortSignal, Readable } from 'node:stream'
import { DeployError } from '../../model/failure.ts'
import type { ContentStore, RemoteStore } from '../content-store.ts'
import { mismatch } from '../failures.ts'
import { skipping } from '../skipping.ts'
import { verified } from '../verified.ts'
import { registryHost } from './calls/open-calls.ts'

/** A registry that has the same images below `prefix` (empty: at its root). */
export interface MirrorStore {
  readonly store: ContentStore & { close(): void }
  readonly prefix: string
}

/**
 * Reads from mirrors first, in order, and from the registry where none has it; writes go to the registry, and so does the
 * question whether something must be written. A mirror that fails is not asked again by this store. Digests are verified
 * whoever answers.
 */
export function mirroredStore(registry: RemoteStore, mirrors: readonly MirrorStore[], host: string): RemoteStore {
  const working = new Set(mirrors)
  const found = async <T>(repository: string, signal: AbortSignal, ask: Ask<T>): Promise<T | null> => {
    for (const mirror of working) {
      const answer = await askMirror(mirror, nameAt(mirror, repository, host), ask, signal)
      if (answer === 'failed') working.delete(mirror)
      else if (answer !== null) return answer
    }
    return null
  }
  return {
    statBlob: (...args) => registry.statBlob(...args),
    async readBlob(repository, digest, signal): Promise<Readable> {
      const blob = await found(repository, signal, (store, name) => store.readBlob(name, digest, signal))
      const itself = () => registry.readBlob(repository, digest, signal)
      if (blob === null) return itself()
      const pieces = verified(goneOn(blob, itself, signal), { digest, size: null }, (got) => mismatch(digest, got))
      return addAbortSignal(signal, Readable.from(pieces, { objectMode: false }))
    },
    async readManifest(repository, reference, signal) {
      const manifest = await found(repository, signal, (store, name) => store.readManifest(name, reference, signal))
      return manifest ?? registry.readManifest(repository, reference, signal)
    },
    async resolveTag(repository, tag, signal) {
      const digest = await found(repository, signal, (store, name) => store.resolveTag(name, tag, signal))
      return digest ?? registry.resolveTag(repository, tag, signal)
    },
    writeBlob: (...args) => registry.writeBlob(...args),
    ...(registry.beginBlob === undefined ? {} : { beginBlob: registry.beginBlob.bind(registry) }),
    mountBlob: (...args) => registry.mountBlob(...args),
    writeManifest: (...args) => registry.writeManifest(...args),
    tags: (...args) => registry.tags(...args),
    referrers: (...args) => registry.referrers(...args),
    deleteManifest: (...args) => registry.deleteManifest(...args),
    close() {
      registry.close()
      for (const { store } of mirrors) store.close()
    },
  }
}

/** What a mirror began to give; where it breaks off for good, the rest is the registry's. */
async function* goneOn(
  mirror: Readable,
  itself: () => Promise<Readable>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  let offset = 0
  try {
    for await (const piece of mirror as AsyncIterable<Uint8Array>) {
      offset += piece.length
      yield piece
    }
    return
  } catch (failed) {
    signal.throwIfAborted()
    if (!(failed instanceof DeployError)) throw failed
  }
  yield* skipping(await itself(), offset)
}

type Ask<T> = (store: ContentStore, name: string) => Promise<T | null>

/** null: it does not have it, which says nothing about the rest of it. */
async function askMirror<T>(
  { store }: MirrorStore,
  name: string,
  ask: Ask<T>,
  signal: AbortSignal,
): Promise<T | null | 'failed'> {
  try {
    return await ask(store, name)
  } catch (failed) {
    signal.throwIfAborted()
    if (!(failed instanceof DeployError)) throw failed
    return failed.code === 'IMAGE_NOT_FOUND' ? null : 'failed'
  }
}

/** A mirror of Docker Hub has the official images under `library/`, as Docker Hub has. */
function nameAt({ prefix }: MirrorStore, repository: string, host: string): string {
  const isOfficial = registryHost(host) === 'registry-1.docker.io' && !repository.includes('/')
  const name = isOfficial ? `library/${repository}` : repository
  return prefix === '' ? name : `${prefix}/${name}`
}
