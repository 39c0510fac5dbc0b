import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Scope } from './scope.ts'

/** What a token says; times in seconds since 1970 (RFC 7519, "NumericDate"). */
export interface Claims {
  readonly iss: string
  readonly aud: string
  /** Name of the account; empty: anybody. */
  readonly sub: string
  /** Which making of that account: a removed and newly made one, or a new password, is another. Empty: anybody. */
  readonly account: string
  readonly iat: number
  readonly nbf: number
  readonly exp: number
  readonly access: readonly Scope[]
}

/** Who makes tokens, and for whom: both are this registry. */
export interface TokenIssuer {
  readonly key: Uint8Array
  readonly iss: string
  readonly aud: string
}

const encode = (text: string): string => Buffer.from(text).toString('base64url')

/** The only header there is: a token with any other one is not read further, so that no token chooses how it is checked (A13). */
const HEADER = encode(JSON.stringify({ alg: 'HS256', typ: 'JWT' }))

const mac = (key: Uint8Array, text: string): string => createHmac('sha256', key).update(text).digest('base64url')

/** Longer ones are not ours. */
const MOST_CHARACTERS = 64 * 1024

/** A token as clients carry it (RFC 7519 with HMAC SHA-256). */
export function signToken({ key, iss, aud }: TokenIssuer, claims: Omit<Claims, 'iss' | 'aud'>): string {
  const signed = `${HEADER}.${encode(JSON.stringify({ iss, aud, ...claims }))}`
  return `${signed}.${mac(key, signed)}`
}

/** What a token of ours says, when it is valid at `nowMs`; null: it is not, whatever the reason. */
export function verifyToken({ key, iss, aud }: TokenIssuer, token: string, nowMs: number): Claims | null {
  if (token.length > MOST_CHARACTERS) return null
  const [header, payload, signature, ...more] = token.split('.')
  if (header !== HEADER || payload === undefined || signature === undefined || more.length > 0) return null
  // Compared as text: of the many spellings that base64 has for the same bytes only ours is right.
  if (!isSame(signature, mac(key, `${header}.${payload}`))) return null
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Claims
  const now = nowMs / 1000
  const isOurs = claims.iss === iss && claims.aud === aud
  return isOurs && claims.nbf <= now && now < claims.exp ? claims : null
}

function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)]
  return a.length === b.length && timingSafeEqual(a, b)
}
