import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import type { Account, PasswordHash, TokenHash } from './account.ts'

/** 32 MiB and a quarter of a second for each guess (OWASP's parameters for scrypt with N = 2^15). */
const COST: PasswordHash['cost'] = { N: 2 ** 15, r: 8, p: 3 }
const MOST_MEMORY = 2 ** 26
const HASH_BYTES = 32

const derive = (password: string, salt: Buffer, cost: PasswordHash['cost']): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    // One spelling of each letter: keyboards make ü in two ways.
    scrypt(password.normalize('NFC'), salt, HASH_BYTES, { ...cost, maxmem: MOST_MEMORY }, (failed, key) =>
      failed === null ? resolve(key) : reject(failed),
    )
  })

export async function hashPassword(password: string): Promise<PasswordHash> {
  const salt = randomBytes(16)
  const hash = await derive(password, salt, COST)
  return { kind: 'scrypt', cost: COST, salt: salt.toString('base64'), hash: hash.toString('base64') }
}

const NOBODY = { salt: randomBytes(16), hash: randomBytes(HASH_BYTES) }

/** Whether it is the account's password. It takes the same time where there is no account, or a robot. */
export async function isPassword(password: string, account: Account | null): Promise<boolean> {
  const kept = account?.secret.kind === 'scrypt' ? account.secret : null
  const salt = kept === null ? NOBODY.salt : Buffer.from(kept.salt, 'base64')
  const hash = kept === null ? NOBODY.hash : Buffer.from(kept.hash, 'base64')
  const got = await derive(password, salt, kept?.cost ?? COST)
  return got.length === hash.length && timingSafeEqual(got, hash) && kept !== null
}

const ROBOT_TOKEN = /^naru_[A-Za-z0-9_-]{43}$/

/** 256 random bits, with a beginning by which scanners of secrets can find it. */
export const makeRobotToken = (): string => `naru_${randomBytes(32).toString('base64url')}`

/** Whether a text looks like a token of a robot, so that it can be no password. */
export const looksLikeRobotToken = (text: string): boolean => ROBOT_TOKEN.test(text)

export const hashRobotToken = (token: string): TokenHash => ({
  kind: 'sha256',
  hash: createHash('sha256').update(token).digest('base64'),
})

/** Whether it is the account's token. */
export function isRobotToken(token: string, account: Account | null): boolean {
  const got = Buffer.from(hashRobotToken(token).hash)
  const kept = Buffer.from(account?.secret.kind === 'sha256' ? account.secret.hash : '')
  return got.length === kept.length && timingSafeEqual(got, kept)
}
