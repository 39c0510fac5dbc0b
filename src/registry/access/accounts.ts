import { randomBytes } from 'node:crypto'
import { chown, link, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import { diskFull } from '../../model/disk-full.ts'
import { DeployError } from '../../model/failure.ts'
import { makeFolder, syncFolder, writeFileAtomic } from '../../os/atomic-file.ts'
import { type Account, formatAccount, isAccountName, parseAccount } from './account.ts'

/** For so long a change may not be seen by a process that has read the account: what a removed one can still do. */
const FRESH_MS = 1000

/**
 * The accounts of a registry: one file each, so that two who change different ones cannot lose each other's change, and a registry
 * that serves sees each change without being told.
 */
export class Accounts {
  readonly #folder: string
  readonly #clock: Clock
  readonly #recent = new Map<string, { readonly account: Account | null; readonly atMs: number }>()

  private constructor(folder: string, clock: Clock) {
    this.#folder = folder
    this.#clock = clock
  }

  /** Opens the accounts below `folder`, and makes the folder where it is missing. */
  static async open(folder: string, clock: Clock): Promise<Accounts> {
    const accounts = join(folder, 'accounts')
    await makeFolder(accounts, 0o700)
    await likeOwner(folder, join(folder, '..'))
    await likeOwner(accounts, folder)
    return new Accounts(accounts, clock)
  }

  /** As it is on the disk; null: there is none. Throws REGISTRY_SETTINGS_INVALID. */
  async read(name: string): Promise<Account | null> {
    if (!isAccountName(name)) return null
    const path = this.#path(name)
    const text = await readFile(path, 'utf8').catch((failed: NodeJS.ErrnoException) => {
      if (failed.code === 'ENOENT') return null
      throw failed
    })
    return text === null ? null : parsed(path, text)
  }

  /** As it was within the last second: for each request of a token. */
  async recent(name: string): Promise<Account | null> {
    const now = this.#clock.monotonic()
    const known = this.#recent.get(name)
    if (known !== undefined && now - known.atMs < FRESH_MS) return known.account
    const account = await this.read(name)
    this.#recent.set(name, { account, atMs: now })
    return account
  }

  /** Keeps a new account. False: there is one of that name. */
  async add(account: Account): Promise<boolean> {
    const aside = join(this.#folder, `.${randomBytes(6).toString('hex')}`)
    try {
      await this.#write(aside, account)
      await link(aside, this.#path(account.name))
    } catch (failed) {
      if ((failed as NodeJS.ErrnoException).code !== 'EEXIST') throw failed
      return false
    } finally {
      await rm(aside, { force: true })
    }
    await syncFolder(this.#folder)
    return true
  }

  /** Keeps a changed account in the place of the one of its name. */
  replace(account: Account): Promise<void> {
    return this.#write(this.#path(account.name), account)
  }

  /** False: there was none. */
  async remove(name: string): Promise<boolean> {
    if ((await stat(this.#path(name)).catch(() => null)) === null) return false
    await rm(this.#path(name), { force: true })
    await syncFolder(this.#folder)
    return true
  }

  /** All, by name. Throws REGISTRY_SETTINGS_INVALID. */
  async list(): Promise<readonly Account[]> {
    const names = (await readdir(this.#folder)).filter((file) => file.endsWith('.json') && !file.startsWith('.'))
    const found = await Promise.all(names.sort().map((file) => this.read(file.slice(0, -'.json'.length))))
    return found.filter((account) => account !== null)
  }

  async #write(path: string, account: Account): Promise<void> {
    try {
      await writeFileAtomic(path, formatAccount(account), 0o600)
    } catch (failed) {
      throw diskFull(failed, `keeping the account ${account.name}`, this.#folder)
    }
    await likeOwner(path, this.#folder)
  }

  #path(name: string): string {
    if (!isAccountName(name)) throw new Error(`${JSON.stringify(name)} is no name of an account`)
    return join(this.#folder, `${name}.json`)
  }
}

/** What root makes in the folder of a service is the service's. */
async function likeOwner(path: string, like: string): Promise<void> {
  if (process.getuid?.() !== 0) return
  const { uid, gid } = await stat(like)
  await chown(path, uid, gid)
}

function parsed(path: string, text: string): Account {
  try {
    return parseAccount(text)
  } catch (cause) {
    throw new DeployError('REGISTRY_SETTINGS_INVALID', `${path} is no account of a registry`, {
      hint: 'Delete it, and make the account again with naru registry user add or naru registry robot add.',
      detail: { path },
      cause,
    })
  }
}
