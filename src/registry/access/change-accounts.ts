import { randomBytes } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import { DeployError } from '../../model/failure.ts'
import type { RegistryRight } from '../../model/registry-right.ts'
import { type Account, isAccountName } from './account.ts'
import type { Accounts } from './accounts.ts'
import { hashPassword, hashRobotToken, looksLikeRobotToken, makeRobotToken } from './secrets.ts'

/** Long enough that the back-off and a slow hash make guessing hopeless (NIST SP 800-63B). */
const SHORTEST_PASSWORD = 8
const LONGEST_PASSWORD = 1024

type Kind = Account['kind']

/** Makes and changes accounts, for the command line. Throws ACCOUNT_EXISTS, ACCOUNT_NOT_FOUND, USAGE_INVALID. */
export class ChangeAccounts {
  readonly #accounts: Accounts
  readonly #clock: Clock

  constructor(accounts: Accounts, clock: Clock) {
    this.#accounts = accounts
    this.#clock = clock
  }

  async addUser(name: string, password: string, rights: readonly RegistryRight[]): Promise<void> {
    await this.#add({ name, kind: 'user', rights, secret: await passwordHash(name, password), expiresAtMs: null })
  }

  /** Answers its token, which is kept nowhere. */
  async addRobot(name: string, rights: readonly RegistryRight[], expiresAtMs: number | null): Promise<string> {
    const token = makeRobotToken()
    await this.#add({ name, kind: 'robot', rights, secret: hashRobotToken(token), expiresAtMs })
    return token
  }

  async setPassword(name: string, password: string): Promise<void> {
    const account = await this.#found('user', name)
    await this.#accounts.replace({ ...account, id: newId(), secret: await passwordHash(name, password) })
  }

  /** A new token in the place of the old one. */
  async renewToken(name: string, expiresAtMs: number | null): Promise<string> {
    const account = await this.#found('robot', name)
    const token = makeRobotToken()
    await this.#accounts.replace({ ...account, id: newId(), secret: hashRobotToken(token), expiresAtMs })
    return token
  }

  async setRights(kind: Kind, name: string, rights: readonly RegistryRight[]): Promise<void> {
    await this.#accounts.replace({ ...(await this.#found(kind, name)), rights })
  }

  async remove(kind: Kind, name: string): Promise<void> {
    await this.#accounts.remove((await this.#found(kind, name)).name)
  }

  async list(kind: Kind): Promise<readonly Account[]> {
    return (await this.#accounts.list()).filter((account) => account.kind === kind)
  }

  async #add(account: Omit<Account, 'id' | 'createdAtMs'>): Promise<void> {
    const { name } = account
    if (!isAccountName(name)) {
      throw new DeployError('NAME_INVALID', `${JSON.stringify(name.slice(0, 100))} is no name for an account`, {
        hint: 'Use 1 to 64 lower-case letters, digits and . _ - @ +, a letter or digit first and last: kim, ci-shop.',
      })
    }
    if (await this.#accounts.add({ ...account, id: newId(), createdAtMs: this.#clock.now() })) return
    const there = await this.#accounts.read(name)
    throw new DeployError('ACCOUNT_EXISTS', `there is a ${there?.kind ?? 'user'} ${name} already`, {
      hint: `Nothing was changed. Change it with: naru registry ${there?.kind === 'robot' ? 'robot' : 'user'} allow ${name} pull. See all with: naru registry user list, naru registry robot list.`,
      detail: { name },
    })
  }

  async #found(kind: Kind, name: string): Promise<Account> {
    const account = await this.#accounts.read(name)
    if (account?.kind === kind) return account
    throw new DeployError('ACCOUNT_NOT_FOUND', `there is no ${kind} ${JSON.stringify(name.slice(0, 100))}`, {
      hint: `See who there is with: naru registry ${kind === 'user' ? 'user' : 'robot'} list.`,
      detail: { name: name.slice(0, 100) },
    })
  }
}

const newId = (): string => randomBytes(12).toString('base64url')

/** Throws USAGE_INVALID. */
function passwordHash(name: string, password: string): ReturnType<typeof hashPassword> {
  const wrong = WEAKNESSES.find(([is]) => is(password, name))
  if (wrong === undefined) return hashPassword(password)
  throw new DeployError('USAGE_INVALID', `this password cannot be used: it ${wrong[1]}`, {
    hint: 'Make a good one with: openssl rand -base64 18.',
  })
}

const WEAKNESSES: readonly (readonly [is: (password: string, name: string) => boolean, why: string])[] = [
  [(password) => password.length < SHORTEST_PASSWORD, `has fewer than ${SHORTEST_PASSWORD} characters`],
  [(password) => password.length > LONGEST_PASSWORD, `has more than ${LONGEST_PASSWORD} characters`],
  [(password) => /\p{Cc}/u.test(password), 'has control characters'],
  [(password) => looksLikeRobotToken(password), 'is like the token of a robot'],
  [(password, name) => password.toLowerCase() === name, 'is the name'],
]
