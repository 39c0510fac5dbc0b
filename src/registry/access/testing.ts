import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import { parseRegistryRight } from '../../model/registry-right.ts'
import { systemClock } from '../../os/system-clock.ts'
import { DiskStore } from '../disk/disk-store.ts'
import { registryApp } from '../server/registry-app.ts'
import type { RegistryRoutesOptions } from '../server/registry-routes.ts'
import { aFolder } from '../testing.ts'
import type { Access } from './access-gate.ts'
import { Accounts } from './accounts.ts'
import { ChangeAccounts } from './change-accounts.ts'
import { SignIn } from './sign-in.ts'
import { openTokenIssuer } from './token-issuer.ts'

/** The system's time, which a test may move. */
export class MovableClock implements Clock {
  #ahead = 0
  move(ms: number): void {
    this.#ahead += ms
  }
  now(): number {
    return systemClock.now() + this.#ahead
  }
  monotonic(): number {
    return systemClock.monotonic() + this.#ahead
  }
  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return systemClock.sleep(ms, signal)
  }
}

/** Time stands still but for what a test moves. */
export class StillClock implements Clock {
  #at = Date.parse('2026-11-24T00:00:00Z')
  move(ms: number): void {
    this.#at += ms
  }
  now(): number {
    return this.#at
  }
  monotonic(): number {
    return this.#at
  }
  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return systemClock.sleep(ms, signal)
  }
}

interface Guarded {
  readonly anonymous?: readonly string[]
  readonly limits?: NonNullable<RegistryRoutesOptions['limits']>
  /** Told each question to the store, with its arguments. */
  readonly asked?: (name: string, args: readonly unknown[]) => void
}

/** Our registry with logins, on a free port, over a store in a temporary folder. */
export async function aGuardedRegistry({ anonymous = [], limits, asked }: Guarded = {}) {
  const folder = await aFolder()
  const clock = new MovableClock()
  const store = await DiskStore.open(join(folder.path, 'registry'), systemClock)
  const accounts = await Accounts.open(join(folder.path, 'access'), clock)
  const access: Access = {
    accounts,
    signIn: new SignIn(accounts, clock),
    issuer: await openTokenIssuer(join(folder.path, 'access')),
    anonymous: anonymous.map(parseRegistryRight),
    clock,
    isLocal: () => false,
  }
  const server = createServer(
    registryApp({
      store: asked === undefined ? store : watched(store, asked),
      access,
      ...(limits === undefined ? {} : { limits }),
    }),
  )
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const change = new ChangeAccounts(accounts, clock)
  return {
    folder: folder.path,
    host,
    url: `http://${host}`,
    clock,
    store,
    access,
    change,
    /** A robot with these rights; answers its Basic header. */
    async robot(name: string, ...rights: readonly string[]): Promise<string> {
      return basicHeader(name, await change.addRobot(name, rights.map(parseRegistryRight), null))
    },
    /** A token for these scopes. */
    async token(login: string | null, ...scopes: readonly string[]): Promise<string> {
      const query = new URLSearchParams(scopes.map((scope): [string, string] => ['scope', scope]))
      const headers = login === null ? {} : { Authorization: login }
      const answer = await fetch(`http://${host}/token?${query.toString()}`, { headers })
      if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
      return `Bearer ${((await answer.json()) as { token: string }).token}`
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
      await store.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** The same store, whose every use is told. */
const watched = (store: DiskStore, asked: NonNullable<Guarded['asked']>): DiskStore =>
  new Proxy(store, {
    get: (target, name) => {
      const found: unknown = Reflect.get(target, name)
      if (typeof found !== 'function') {
        asked(String(name), [])
        return found
      }
      return (...args: readonly unknown[]): unknown => {
        asked(String(name), args)
        return found.apply(target, args)
      }
    },
  })

export const basicHeader = (name: string, secret: string): string =>
  `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`
