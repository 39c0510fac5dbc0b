import { type Descriptor, MEDIA_TYPES } from '../../model/descriptor.ts'
import { MAX_MANIFEST_BYTES, parseManifest } from '../parse-manifest.ts'
import type { RegistryCalls } from './calls/registry-calls.ts'
import { refused } from './failures.ts'
import { nextPage } from './list-names.ts'

/** Each has at most 4 MiB; a subject with more signatures is an attack (A14). */
const MOST_PAGES = 16

/**
 * Descriptors of the manifests whose subject is `digest`, page by page (distribution specification, "Listing Referrers"). null: this registry
 * keeps no such lists.
 */
export async function listReferrers(
  calls: RegistryCalls,
  name: string,
  digest: string,
  signal: AbortSignal,
): Promise<readonly Descriptor[] | null> {
  const what = `list what refers to ${digest} in ${name}`
  const found: Descriptor[] = []
  let at: URL | null = calls.url(`/v2/${name}/referrers/${digest}`)
  for (let pages = 0; at !== null; pages++) {
    if (pages === MOST_PAGES) throw refused(calls.host, `has more than ${MOST_PAGES} pages to ${what}`)
    const call = { method: 'GET', at, scopes: [`repository:${name}:pull`], expect: [200, 404], what } as const
    const { answer, bytes } = await calls.callForBody(call, MAX_MANIFEST_BYTES, signal)
    if (answer.statusCode === 404) return pages === 0 ? null : found
    for (const each of referrersIn(bytes)) found.push(each)
    at = nextPage(answer, at)
  }
  return found
}

/** What an index names; also that of the tag which clients keep in the place of a list ("Referrers Tag Schema"). Throws IMAGE_INVALID. */
export function referrersIn(bytes: Uint8Array): readonly Descriptor[] {
  const index = parseManifest(MEDIA_TYPES.imageIndex, bytes)
  return index.kind === 'index' ? index.manifests : []
}
