import type { IncomingMessage } from 'node:http'
import { isTag } from '../../model/reference.ts'
import { MAX_MANIFEST_BYTES } from '../parse-manifest.ts'
import type { RegistryCalls } from './calls/registry-calls.ts'
import { refused } from './failures.ts'

/** More than any repository has (A14). */
const MAX_TAGS = 500_000

/** All tags of a repository, sorted, page by page; none when the registry does not know it. */
export async function listTags(calls: RegistryCalls, name: string, signal: AbortSignal): Promise<readonly string[]> {
  const found = new Set<string>()
  let at: URL | null = calls.url(`/v2/${name}/tags/list?n=1000`)
  for (let pages = 0; at !== null && pages < 1000; pages++) {
    const call = { method: 'GET', at, scopes: [`repository:${name}:pull`], expect: [200, 404] } as const
    const named = { ...call, what: `list the tags of ${name}` }
    const { answer, bytes } = await calls.callForBody(named, MAX_MANIFEST_BYTES, signal)
    if (answer.statusCode === 404) break
    for (const tag of tagsIn(calls.host, bytes)) found.add(tag)
    if (found.size > MAX_TAGS) throw refused(calls.host, `lists more than ${MAX_TAGS} tags of ${name}`)
    at = nextPage(answer, at)
  }
  return [...found].sort()
}

/** The next page of a list (RFC 8288), at this registry only. */
function nextPage(answer: IncomingMessage, at: URL): URL | null {
  const link = /<([^>]+)>\s*;\s*rel="?next"?/.exec([answer.headers.link ?? ''].flat().join(','))?.[1]
  if (link === undefined || !URL.canParse(link, at.href)) return null
  const url = new URL(link, at)
  return url.host === at.host ? new URL(`${url.pathname}${url.search}`, at) : null
}

function tagsIn(host: string, body: Uint8Array): readonly string[] {
  try {
    const { tags } = JSON.parse(Buffer.from(body).toString('utf8')) as { tags?: unknown }
    return Array.isArray(tags) ? tags.filter((tag): tag is string => typeof tag === 'string' && isTag(tag)) : []
  } catch (cause) {
    throw refused(host, 'lists tags that are no JSON', cause)
  }
}
