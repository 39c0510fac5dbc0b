/** How a registry wants to be asked (WWW-Authenticate; RFC 9110 section 11, and the token authentication of distribution). */
export type Challenge =
  | { readonly kind: 'basic' }
  | { readonly kind: 'bearer'; readonly realm: string; readonly service: string | null }

/** The first challenge that we can answer, Bearer before Basic; null: none. */
export function parseChallenge(header: string | undefined): Challenge | null {
  if (header === undefined || header.length > 8192) return null
  const challenges = splitChallenges(header)
  for (const { scheme, params } of challenges) {
    const realm = params.get('realm')
    if (scheme === 'bearer' && realm !== undefined) {
      return { kind: 'bearer', realm, service: params.get('service') ?? null }
    }
  }
  return challenges.some(({ scheme }) => scheme === 'basic') ? { kind: 'basic' } : null
}

/** Either a scheme (a word with no `=` after it) or one parameter, its value a token or a quoted string. */
const PART = /([a-z0-9!#$%&'*+.^_`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/gi

function splitChallenges(header: string) {
  const found: { scheme: string; params: Map<string, string> }[] = []
  for (const [, word = '', quoted, token] of header.matchAll(PART)) {
    const value = quoted === undefined ? token : quoted.replace(/\\(.)/g, '$1')
    if (value === undefined) found.push({ scheme: word.toLowerCase(), params: new Map() })
    else found.at(-1)?.params.set(word.toLowerCase(), value)
  }
  return found
}
