import { MEDIA_TYPES } from '../../model/descriptor.ts'
import { MAX_MANIFEST_BYTES } from '../parse-manifest.ts'
import type { Exchange } from './exchange.ts'
import { RegistryError } from './registry-error.ts'

/** The most names in one answer (A14: `_catalog?n=1000000000`). */
const MAX_PAGE = 1000

/** What an index has besides its list. */
const PAGE_MARGIN = 1024

/** So many bytes of manifests are read for one page of referrers: each has its annotations there, and may be as large as a manifest. */
const MOST_READ_BYTES = 16 * MAX_MANIFEST_BYTES

/** GET of the tags of a repository (`n`, `last`). */
export async function listTags(exchange: Exchange, { repository }: { repository: string }) {
  const { reply, store, query } = exchange
  const tags = await tagsOf(exchange, repository)
  if (tags.length === 0 && !(await store.repositories()).includes(repository)) {
    throw new RegistryError('NAME_UNKNOWN', `there is no repository ${repository}`)
  }
  const page = pageOf(tags, query, `/v2/${repository}/tags/list`)
  if (page.link !== null) reply.header('Link', page.link)
  return reply.json({ name: repository, tags: page.names })
}

/** Of a copy they are those of its registry: whoever looks for the newest finds it. */
async function tagsOf({ cache, store, reply, signal }: Exchange, repository: string): Promise<readonly string[]> {
  if (cache === null || cache.originOf(repository) === null) return store.tags(repository, signal)
  const { tags, warning } = await cache.tags(repository)
  if (warning !== null) reply.header('Warning', warning)
  return tags
}

/** GET of the names of all repositories that the visitor may pull from (`n`, `last`). */
export async function listRepositories({ reply, store, query, visitor }: Exchange) {
  const seen = (await store.repositories()).filter((name) => visitor.sees(name))
  const page = pageOf(seen, query, '/v2/_catalog')
  if (page.link !== null) reply.header('Link', page.link)
  return reply.json({ repositories: page.names })
}

/**
 * GET of the manifests that name this one as their subject (`artifactType` filters). What does not fit into one manifest comes in pages
 * (distribution specification, "Listing Referrers"); a page ends earlier where much had to be read for it, also an empty one.
 */
export async function listReferrers(
  exchange: Exchange,
  { repository, digest }: { repository: string; digest: string },
) {
  const { reply, query, signal } = exchange
  const wanted = query.get('artifactType')
  const texts: string[] = []
  let [room, unread, left, last] = [MAX_MANIFEST_BYTES - PAGE_MARGIN, MOST_READ_BYTES, MAX_PAGE, '']
  let isWhole = true
  for await (const referrer of await referrersOf(exchange, repository, digest)) {
    signal.throwIfAborted()
    const text = wanted === null || referrer.artifactType === wanted ? JSON.stringify(referrer) : ''
    const bytes = Buffer.byteLength(text) + 1
    isWhole = left > 0 && unread > 0 && (bytes <= room || texts.length === 0)
    if (!isWhole) break
    if (text !== '') texts.push(text)
    last = referrer.digest
    room -= bytes
    unread -= referrer.size
    left--
  }
  const filter = wanted === null ? '' : `&artifactType=${encodeURIComponent(wanted)}`
  const path = `/v2/${repository}/referrers/${digest}?last=${encodeURIComponent(last)}${filter}`
  if (!isWhole) reply.header('Link', `<${path}>; rel="next"`)
  if (wanted !== null) reply.header('OCI-Filters-Applied', 'artifactType')
  const index = `{"schemaVersion":2,"mediaType":"${MEDIA_TYPES.imageIndex}","manifests":[${texts.join(',')}]}`
  return reply.header('Content-Type', MEDIA_TYPES.imageIndex).bytes(Buffer.from(index))
}

/** Of a copy they are those at its registry: signatures are looked for there. */
async function referrersOf({ cache, store, query, reply }: Exchange, repository: string, digest: string) {
  const after = query.get('last') ?? ''
  if (cache === null || cache.originOf(repository) === null) return store.referrers(repository, digest, after)
  const { referrers, warning } = await cache.referrers(repository, digest, after)
  if (warning !== null) reply.header('Warning', warning)
  return referrers
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
