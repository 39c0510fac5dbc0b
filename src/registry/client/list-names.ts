import type { IncomingMessage } from 'node:http'
import { isRepository, isTag } from '../../model/reference.ts'
import { MAX_MANIFEST_BYTES } from '../parse-manifest.ts'
import type { RegistryCalls } from './calls/registry-calls.ts'
import { refused } from './failures.ts'

/** More than any registry or repository has (A14). */
const MOST_NAMES = 500_000

/** All tags of a repository, sorted, page by page; none when the registry does not know it. */
export function listTags(calls: RegistryCalls, name: string, signal: AbortSignal): Promise<readonly string[]> {
  const of = { at: `/v2/${name}/tags/list`, scope: `repository:${name}:pull`, what: `list the tags of ${name}` }
  return listNames(calls, of, (body) => namesIn(body.tags, isTag), signal)
}

/** The names of all repositories that the login may see, sorted. Many public registries refuse to list them. */
export function listRepositories(calls: RegistryCalls, signal: AbortSignal): Promise<readonly string[]> {
  const of = { at: '/v2/_catalog', scope: 'registry:catalog:*', what: 'list its repositories' }
  return listNames(calls, of, (body) => namesIn(body.repositories, isRepository), signal)
}

interface List {
  readonly at: string
  readonly scope: string
  readonly what: string
}

type Body = Readonly<Record<string, unknown>>

async function listNames(
  calls: RegistryCalls,
  { at: first, scope, what }: List,
  names: (body: Body) => readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const found = new Set<string>()
  let at: URL | null = calls.url(`${first}?n=1000`)
  for (let pages = 0; at !== null && pages < 1000; pages++) {
    const call = { method: 'GET', at, scopes: [scope], expect: [200, 404], what } as const
    const { answer, bytes } = await calls.callForBody(call, MAX_MANIFEST_BYTES, signal)
    if (answer.statusCode === 404) break
    for (const name of names(bodyOf(calls.host, what, bytes))) found.add(name)
    if (found.size > MOST_NAMES) throw refused(calls.host, `has more than ${MOST_NAMES} names to ${what}`)
    at = nextPage(answer, at)
  }
  return [...found].sort()
}

/** The next page of a list (RFC 8288), at this registry only. */
export function nextPage(answer: IncomingMessage, at: URL): URL | null {
  const link = /<([^>]+)>\s*;\s*rel="?next"?/.exec([answer.headers.link ?? ''].flat().join(','))?.[1]
  if (link === undefined || !URL.canParse(link, at.href)) return null
  const url = new URL(link, at)
  return url.host === at.host ? new URL(`${url.pathname}${url.search}`, at) : null
}

const namesIn = (value: unknown, is: (text: string) => boolean): readonly string[] =>
  Array.isArray(value) ? value.filter((name): name is string => typeof name === 'string' && is(name)) : []

function bodyOf(host: string, what: string, bytes: Uint8Array): Body {
  try {
    const body: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    return typeof body === 'object' && body !== null ? (body as Body) : {}
  } catch (cause) {
    throw refused(host, `does not ${what} as JSON`, cause)
  }
}
