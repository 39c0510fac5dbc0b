import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import type { RefusedLogin } from '../../model/refused-login.ts'
import { RegistryError } from '../server/registry-error.ts'
import { type Account, isAccountName, isExpired } from './account.ts'
import type { Accounts } from './accounts.ts'
import { BackOff } from './back-off.ts'
import { isPassword, isRobotToken, looksLikeRobotToken } from './secrets.ts'

/** Who says to be whom, and from where. */
export interface Login {
  readonly name: string
  readonly secret: string
  /** Of the client, as far as it counts for guessing. */
  readonly address: string
}

/** One name from one address: a person who does not know the password any more. */
const PAIR = { free: 5, firstMs: 1000, mostMs: 5 * 60_000 }
/** One address: somebody who tries many names. Behind it may be an office. */
const ADDRESS = { free: 50, firstMs: 1000, mostMs: 5 * 60_000 }
/** One name from everywhere: many machines that try one. It keeps out nobody who was in from the same address within a day. */
const NAME = { free: 100, firstMs: 1000, mostMs: 60_000 }
const KNOWN_MS = 24 * 60 * 60_000

/** A password that was right need not be made slow again for so long: old clients send it with each request. */
const REMEMBER_MS = 60_000
const MOST_REMEMBERED = 10_000
/** Slow hashes that may wait for their turn; each takes 32 MiB and a quarter of a second, so they are made one by one. */
const MOST_WAITING = 40

/** Told what was refused, and why: for those who run the registry, nobody else. */
type Refused = (login: Pick<RefusedLogin, 'name' | 'address' | 'why'>) => void

/** Finds out whether somebody is who he says, and makes guessing slow. Tells no client whether there is such an account. */
export class SignIn {
  readonly #accounts: Accounts
  readonly #clock: Clock
  readonly #refused: Refused
  readonly #pair: BackOff
  readonly #address: BackOff
  readonly #name: BackOff
  /** name and address → since when. */
  readonly #known = new Map<string, number>()
  /** Logins that were right, as keyed hashes → of which making of the account, and until when. */
  readonly #remembered = new Map<string, { readonly id: string; readonly untilMs: number }>()
  /** The same login at the same time is one attempt: docker asks for several tokens at once. */
  readonly #pending = new Map<string, Promise<Account>>()
  readonly #hashKey = randomBytes(32)
  #turn: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor(accounts: Accounts, clock: Clock, refused: Refused = () => {}) {
    this.#accounts = accounts
    this.#clock = clock
    this.#refused = refused
    this.#pair = new BackOff(PAIR, clock)
    this.#address = new BackOff(ADDRESS, clock)
    this.#name = new BackOff(NAME, clock)
  }

  /** The account that may log in so. Throws RegistryError: UNAUTHORIZED, TOOMANYREQUESTS. */
  account(login: Login): Promise<Account> {
    const key = createHmac('sha256', this.#hashKey).update(JSON.stringify(login)).digest('base64')
    const pending = this.#pending.get(key)
    if (pending !== undefined) return pending
    const checked = this.#check(login, key).finally(() => this.#pending.delete(key))
    this.#pending.set(key, checked)
    return checked
  }

  async #check(login: Login, key: string): Promise<Account> {
    const account = await this.#accounts.read(login.name)
    if (looksLikeRobotToken(login.secret)) return this.#checkRobot(login, account)
    // What can be no name is counted as one, so that it costs no memory.
    const name = isAccountName(login.name) ? login.name : ''
    const pair = `${login.address} ${name}`
    const waitMs = this.#waitMs(login.address, name, pair)
    if (waitMs > 0) throw tooMany('too many wrong passwords: wait', waitMs)
    const remembered = this.#remembered.get(key)
    const isRemembered = remembered?.id === account?.id && (remembered?.untilMs ?? 0) > this.#clock.monotonic()
    if (isRemembered && account !== null) return this.#unexpired(account, login)
    const keys = [
      [this.#pair, pair],
      [this.#address, login.address],
      [this.#name, name],
    ] as const
    for (const [backOff, of] of keys) backOff.charge(of)
    const isRight = await this.#oneByOne(() => isPassword(login.secret, account)).catch((failed: unknown) => {
      // It was never tried.
      for (const [backOff, of] of keys) backOff.refund(of)
      throw failed
    })
    if (!isRight || account === null) throw this.#wrong(login, account, 'wrong password')
    for (const [backOff, of] of keys) backOff.refund(of)
    this.#pair.forget(pair)
    const now = this.#clock.monotonic()
    remember(this.#known, pair, now)
    remember(this.#remembered, key, { id: account.id, untilMs: now + REMEMBER_MS })
    return this.#unexpired(account, login)
  }

  /** A token of 256 bits cannot be guessed: a right one is let in whatever its address did; wrong ones slow down passwords from there. */
  #checkRobot(login: Login, account: Account | null): Account {
    if (isRobotToken(login.secret, account) && account !== null) return this.#unexpired(account, login)
    this.#address.charge(login.address)
    throw this.#wrong(login, account, 'wrong token')
  }

  #waitMs(address: string, name: string, pair: string): number {
    const since = this.#known.get(pair)
    const isKnown = since !== undefined && this.#clock.monotonic() - since < KNOWN_MS
    return Math.max(this.#pair.waitMs(pair), this.#address.waitMs(address), isKnown ? 0 : this.#name.waitMs(name))
  }

  #unexpired(account: Account, login: Login): Account {
    if (isExpired(account, this.#clock.now())) throw this.#wrong(login, account, 'expired')
    return account
  }

  /** The client is told the same in every case. */
  #wrong({ address }: Login, account: Account | null, why: RefusedLogin['why']): RegistryError {
    this.#refused({ name: account?.name ?? null, address, why: account === null ? 'no such name' : why })
    return new RegistryError('UNAUTHORIZED', 'the name or the password is wrong')
  }

  async #oneByOne<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= MOST_WAITING) throw tooMany('too many logins at once: wait', 1000)
    this.#waiting++
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => {})
    try {
      return await turn
    } finally {
      this.#waiting--
    }
  }
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > MOST_REMEMBERED && oldest !== undefined) map.delete(oldest)
}

const tooMany = (message: string, waitMs: number) =>
  new RegistryError('TOOMANYREQUESTS', message, {
    headers: { 'Retry-After': String(Math.ceil(waitMs / 1000)) },
  })
