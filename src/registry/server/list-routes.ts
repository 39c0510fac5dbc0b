import { MEDIA_TYPES } from '../../model/descriptor.ts'
import type { Exchange } from './exchange.ts'
import { RegistryError } from './registry-error.ts'

/** The most names in one answer (A14: `_catalog?n=1000000000`). */
const MAX_PAGE = 1000

/** GET of the tags of a repository (`n`, `last`). */
export async function listTags({ reply, store, query, signal }: Exchange, { repository }: { repository: string }) {
  const tags = await store.tags(repository, signal)
  if (tags.length === 0 && !(await store.repositories()).includes(repository)) {
    throw new RegistryError('NAME_UNKNOWN', `there is no repository ${repository}`)
  }
  const page = pageOf(tags, query, `/v2/${repository}/tags/list`)
  if (page.link !== null) reply.header('Link', page.link)
  return reply.json({ name: repository, tags: page.names })
}

/** GET of the names of all repositories that the visitor may pull from (`n`, `last`). */
export async function listRepositories({ reply, store, query, visitor }: Exchange) {
  const seen = (await store.repositories()).filter((name) => visitor.sees(name))
  const page = pageOf(seen, query, '/v2/_catalog')
  if (page.link !== null) reply.header('Link', page.link)
  return reply.json({ repositories: page.names })
}

/** GET of the manifests that name this one as their subject (`artifactType` filters). */
export async function listReferrers(
  exchange: Exchange,
  { repository, digest }: { repository: string; digest: string },
) {
  const { reply, store, query, signal } = exchange
  const wanted = query.get('artifactType')
  const all = await store.referrers(repository, digest, signal)
  const manifests = wanted === null ? all : all.filter((found) => found.artifactType === wanted)
  if (wanted !== null) reply.header('OCI-Filters-Applied', 'artifactType')
  const index = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.imageIndex, manifests })
  return reply.header('Content-Type', MEDIA_TYPES.imageIndex).bytes(Buffer.from(index))
}

/** One page of sorted names after `last`, and the Link header to the next. */
export function pageOf(names: readonly string[], query: URLSearchParams, path: string) {
  const asked = query.get('n')
  if (asked !== null && !/^[0-9]+$/.test(asked))
    throw new RegistryError('UNSUPPORTED', 'n is no number', { status: 400 })
  const most = Math.min(asked === null ? MAX_PAGE : Number(asked), MAX_PAGE)
  const last = query.get('last') ?? ''
  const after = names.filter((name) => name > last)
  const page = after.slice(0, most)
  const end = page.at(-1)
  const more = end !== undefined && after.length > page.length
  return { names: page, link: more ? `<${path}?n=${most}&last=${encodeURIComponent(end)}>; rel="next"` : null }
}
