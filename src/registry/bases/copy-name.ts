import type { Reference } from '../../model/reference.ts'

/** Where copies of images of other registries lie in the embedded registry. */
export const COPIES = 'mirror/'

/**
 * The repository of the embedded registry that holds copies of a repository elsewhere: `mirror/docker.io/library/node`. No two
 * registries share one: a port follows an underscore, which no host name has, and an IPv6 address is told by its `x`.
 */
export function copyName({ registry, repository }: Reference & { readonly registry: string }): string {
  return `${COPIES}${hostPart(registry)}/${repository}`
}

/** The beginning of the names of all copies from one registry. */
export const copiesOf = (registry: string): string => `${COPIES}${hostPart(registry)}/`

function hostPart(registry: string): string {
  const [, address, port = ''] = /^\[(.*)\](?::(\d+))?$/.exec(registry) ?? []
  if (address === undefined) return registry.toLowerCase().replace(':', '_')
  return `ip6_${address.toLowerCase().replaceAll(':', 'x')}${port === '' ? '' : `_${port}`}`
}

/** The tag under which a copy is kept: that of the name, or one made of the digest. */
export const copyTag = (tag: string | null, digest: string): string => tag ?? digest.replace(':', '-')

/** What `copyName` was made from; null: no name of a copy. */
export function originOfCopy(repository: string): { readonly registry: string; readonly repository: string } | null {
  const [, host = '', name = ''] = repository.startsWith(COPIES)
    ? (/^([^/]+)\/(.+)$/.exec(repository.slice(COPIES.length)) ?? [])
    : []
  if (name === '') return null
  const [, address, port = ''] = /^ip6_([0-9a-fx]+)(?:_(\d+))?$/.exec(host) ?? []
  if (address === undefined) return { registry: host.replace(/_(\d+)$/, ':$1'), repository: name }
  return { registry: `[${address.replaceAll('x', ':')}]${port === '' ? '' : `:${port}`}`, repository: name }
}
