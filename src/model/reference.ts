import { isDigest } from './descriptor.ts'
import { DeployError } from './failure.ts'

/** An image reference: `registry/repository:tag@digest`. registry null: the embedded registry. */
export interface Reference {
  readonly registry: string | null
  readonly repository: string
  readonly tag: string | null
  readonly digest: string | null
}

// Grammar of the OCI distribution specification ("Pulling manifests") and of distribution/reference.
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`)
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/
const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/

/** Whether a text is a repository name (at most 255 characters); checked before it becomes part of any path (A19). */
export const isRepository = (text: string): boolean => text.length <= 255 && REPOSITORY.test(text)
/** Whether a text is a tag. */
export const isTag = (text: string): boolean => TAG.test(text)
/** Whether a text is a registry's host, with or without a port. */
export const isRegistryHost = (text: string): boolean => text.length <= 255 && HOST.test(text)

/**
 * Reads `[registry/]repository[:tag][@digest]`. The first part is a registry when it has a dot, a colon, or is localhost.
 * A name without a registry is one of the embedded registry. Throws REFERENCE_INVALID.
 */
export function parseReference(text: string): Reference {
  const [beforeDigest = '', digest = null, ...more] = text.split('@')
  const slash = beforeDigest.indexOf('/')
  const first = slash < 0 ? '' : beforeDigest.slice(0, slash)
  const registry = first !== '' && (/[.:]/.test(first) || first === 'localhost') ? first : null
  const rest = registry === null ? beforeDigest : beforeDigest.slice(slash + 1)
  const colon = rest.lastIndexOf(':')
  const tag = colon > rest.lastIndexOf('/') ? rest.slice(colon + 1) : null
  const repository = tag === null ? rest : rest.slice(0, colon)
  const good =
    more.length === 0 &&
    isRepository(repository) &&
    (registry === null || HOST.test(registry)) &&
    (tag === null || isTag(tag)) &&
    (digest === null || isDigest(digest))
  if (good) return { registry, repository, tag, digest }
  throw new DeployError('REFERENCE_INVALID', `${JSON.stringify(text.slice(0, 200))} is no image reference`, {
    hint: 'Write [registry/]repository[:tag] or [registry/]repository@sha256:…, the repository in lower case.',
  })
}

/** The reference as text again. */
export function formatReference({ registry, repository, tag, digest }: Reference): string {
  return `${registry === null ? '' : `${registry}/`}${repository}${tag === null ? '' : `:${tag}`}${digest === null ? '' : `@${digest}`}`
}

/** The registry that a name without one belongs to, outside the embedded registry. */
export const DOCKER_HUB = 'docker.io'

/** A reference with its registry said and its tag filled in, in one spelling: `node` is `docker.io/library/node:latest`. */
export function fullReference(reference: Reference): Reference & { readonly registry: string } {
  const registry = (reference.registry ?? DOCKER_HUB).toLowerCase()
  const isHub = registry === DOCKER_HUB || registry === 'index.docker.io' || registry === 'registry-1.docker.io'
  const { repository, digest } = reference
  return {
    registry: isHub ? DOCKER_HUB : registry,
    repository: isHub && !repository.includes('/') ? `library/${repository}` : repository,
    tag: reference.tag ?? (digest === null ? 'latest' : null),
    digest,
  }
}
