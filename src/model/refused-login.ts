/** A login that a registry refused. The secret is not in it. */
export interface RefusedLogin {
  readonly kind: 'login-refused'
  readonly atMs: number
  /** Of an account; null: no account is called so. What was given is not told: people type passwords there. */
  readonly name: string | null
  /** Where it came from: an IPv4 address, or the first half of an IPv6 address. */
  readonly address: string
  readonly why: 'no such name' | 'wrong password' | 'wrong token' | 'expired'
  /** How many more were refused from there since the last one that was told. */
  readonly more: number
}
