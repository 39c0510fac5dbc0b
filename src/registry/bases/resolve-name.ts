import type { Report } from '../../model/event.ts'
import { DeployError } from '../../model/failure.ts'
import { formatReference, fullReference, parseReference, type Reference } from '../../model/reference.ts'
import type { ContentStore } from '../content-store.ts'
import type { DiskStore } from '../disk/disk-store.ts'
import { isAway } from '../failures.ts'
import { copyName } from './copy-name.ts'

/** What a name led to; which platform is another question. */
export interface Resolved {
  /** The whole name without its digest: `docker.io/library/node:24`. */
  readonly name: string
  /** null: the embedded registry. */
  readonly registry: string | null
  readonly repository: string
  /** The tag that led to the digest; null: the name has a digest, which decides alone. */
  readonly tag: string | null
  readonly digest: string
  /** 'copy': the registry could not be reached, an earlier copy is used. */
  readonly source: 'embedded' | 'registry' | 'copy'
}

export interface Resolving {
  readonly images: DiskStore
  readonly open: (registry: string) => Promise<ContentStore>
  readonly report: Report
}

/**
 * The digest that a name means. Without a registry it is one of the embedded registry when that has it, else one of Docker Hub.
 * A tag elsewhere is asked for each time; only where its registry cannot be reached or takes no more requests, an earlier copy
 * serves, and a note says so. Throws REFERENCE_INVALID, IMAGE_NOT_FOUND, REGISTRY_*.
 */
export async function resolveName(text: string, resolving: Resolving, signal: AbortSignal): Promise<Resolved> {
  const asked = parseReference(text)
  if (asked.registry === null) {
    const found = await inEmbedded(asked, resolving.images, signal)
    if (found !== null) return found
  }
  const { registry, repository, tag, digest } = fullReference(asked)
  const name = formatReference({ registry, repository, tag, digest: null })
  const resolved = { name, registry, repository, source: 'registry' } as const
  if (digest !== null || tag === null) return { ...resolved, tag: null, digest: digest ?? '' }
  try {
    const registryStore = await resolving.open(registry)
    const named = await registryStore.resolveTag(repository, tag, signal)
    if (named !== null) return { ...resolved, tag, digest: named }
  } catch (failed) {
    signal.throwIfAborted()
    const copy = await resolving.images.resolveTag(copyName({ ...asked, registry, repository }), tag, signal)
    if (copy === null || !isAway(failed)) throw failed
    const message = `${failed.message}: the earlier copy of ${name} is used, ${copy}`
    resolving.report({ kind: 'note', message })
    return { ...resolved, tag, digest: copy, source: 'copy' }
  }
  throw new DeployError('IMAGE_NOT_FOUND', `there is no image ${name}`, {
    hint: `Check the name and the tag: the registry ${registry} was asked just now.`,
    detail: { registry, repository, reference: tag },
  })
}

async function inEmbedded(asked: Reference, images: DiskStore, signal: AbortSignal): Promise<Resolved | null> {
  const { repository, digest } = asked
  const tag = asked.tag ?? (digest === null ? 'latest' : null)
  const found = await images.readManifest(repository, digest ?? tag ?? '', signal)
  if (found === null) return null
  const name = formatReference({ registry: null, repository, tag, digest: null })
  return { name, registry: null, repository, tag, digest: found.descriptor.digest, source: 'embedded' }
}
