import { parseRegistryRight, type RegistryRight } from '../../model/registry-right.ts'

/** A password, as scrypt makes it hard to guess (RFC 7914). */
export interface PasswordHash {
  readonly kind: 'scrypt'
  /** Kept with it, so that later ones can cost more. */
  readonly cost: { readonly N: number; readonly r: number; readonly p: number }
  readonly salt: string
  readonly hash: string
}

/** A token that we made; so long that no slow hash is needed. */
export interface TokenHash {
  readonly kind: 'sha256'
  readonly hash: string
}

/** Who may log in: a person with a password, or a robot with a token. */
export interface Account {
  readonly name: string
  readonly kind: 'user' | 'robot'
  /** Another one with each new password or token, so that what was given for the old one is worth nothing any more. */
  readonly id: string
  readonly secret: PasswordHash | TokenHash
  readonly rights: readonly RegistryRight[]
  readonly createdAtMs: number
  /** From then on it cannot log in; null: never. */
  readonly expiresAtMs: number | null
}

const NAME = /^[a-z0-9](?:[a-z0-9._@+-]{0,62}[a-z0-9])?$/

/** Whether a text can be the name of an account; checked before it becomes part of a path. */
export const isAccountName = (text: string): boolean => NAME.test(text)

export const isExpired = ({ expiresAtMs }: Account, nowMs: number): boolean =>
  expiresAtMs !== null && expiresAtMs <= nowMs

/** What is kept of an account, as text. */
export const formatAccount = (account: Account): string => `${JSON.stringify(account, null, 2)}\n`

/** The account from its text. Throws when the text is none. */
export function parseAccount(text: string): Account {
  const found = JSON.parse(text) as Account
  const isWhole = isAccountName(found.name) && typeof found.id === 'string' && typeof found.secret.hash === 'string'
  if (!isWhole || (found.expiresAtMs !== null && typeof found.expiresAtMs !== 'number')) throw new Error('not whole')
  // As they are read from a command line: a pattern that was changed by hand is checked as well.
  const rights = found.rights.map((right) => parseRegistryRight(`${right.repositories}:${right.actions.join(',')}`))
  return { ...found, rights }
}
