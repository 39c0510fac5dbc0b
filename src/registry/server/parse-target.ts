import { isDigest } from '../../model/descriptor.ts'
import { isRepository, isTag } from '../../model/reference.ts'
import { RegistryError } from './registry-error.ts'

/** What a request is about; the grammar of every part has been checked. */
export type Target =
  | { readonly kind: 'ping' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'tags'; readonly repository: string }
  | { readonly kind: 'uploads'; readonly repository: string }
  | { readonly kind: 'upload'; readonly repository: string; readonly id: string }
  | { readonly kind: 'blob'; readonly repository: string; readonly digest: string }
  | { readonly kind: 'manifest'; readonly repository: string; readonly reference: string }
  | { readonly kind: 'referrers'; readonly repository: string; readonly digest: string }

/** Paths of the distribution specification ("Endpoints"), read from their end: a repository may be called `a/blobs/b`. */
const PATHS: readonly (readonly [RegExp, (repository: string, last: string) => Target])[] = [
  [/^\/v2\/?()()$/, () => ({ kind: 'ping' })],
  [/^\/v2\/_catalog()()$/, () => ({ kind: 'catalog' })],
  [/^\/v2\/(.+)\/tags\/list()$/, (repository) => ({ kind: 'tags', repository })],
  [/^\/v2\/(.+)\/blobs\/uploads\/?()$/, (repository) => ({ kind: 'uploads', repository })],
  [/^\/v2\/(.+)\/blobs\/uploads\/([0-9a-f-]{36})$/, (repository, id) => ({ kind: 'upload', repository, id })],
  [/^\/v2\/(.+)\/blobs\/([^/]+)$/, (repository, digest) => ({ kind: 'blob', repository, digest: checkDigest(digest) })],
  [
    /^\/v2\/(.+)\/manifests\/([^/]+)$/,
    (repository, reference) => ({ kind: 'manifest', repository, reference: checkReference(reference) }),
  ],
  [
    /^\/v2\/(.+)\/referrers\/([^/]+)$/,
    (repository, digest) => ({ kind: 'referrers', repository, digest: checkDigest(digest) }),
  ],
]

/** The target of a request path as it came, percent signs and all. Throws RegistryError. */
export function parseTarget(rawPath: string): Target {
  const path = decode(rawPath)
  for (const [pattern, target] of PATHS) {
    const match = pattern.exec(path)
    if (match === null) continue
    const [, repository = '', last = ''] = match
    if (repository !== '' && !isRepository(repository)) {
      throw new RegistryError('NAME_INVALID', `${JSON.stringify(repository.slice(0, 100))} is no repository name`)
    }
    return target(repository, last)
  }
  throw new RegistryError('UNSUPPORTED', 'there is no such endpoint', { status: 404 })
}

/** A digest that we keep, or DIGEST_INVALID. */
export function checkDigest(text: string | null): string {
  if (text !== null && isDigest(text)) return text
  throw new RegistryError(
    'DIGEST_INVALID',
    `${JSON.stringify((text ?? '').slice(0, 160))} is no sha256 or sha512 digest`,
  )
}

function checkReference(text: string): string {
  if (text.includes(':')) return checkDigest(text)
  if (isTag(text)) return text
  throw new RegistryError('MANIFEST_INVALID', `${JSON.stringify(text.slice(0, 160))} is no tag`)
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch (cause) {
    throw new RegistryError('NAME_INVALID', 'the path has a percent sign that means nothing', { cause })
  }
}
