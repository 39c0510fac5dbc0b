import { rmSync } from 'node:fs'
import { createServer, type Server, type ServerOptions } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { ListenOptions } from 'node:net'
import { join } from 'node:path'
import type { OpenRegistry, RegistryOptions } from '../cli/host.ts'
import { parseRegistryRight } from '../model/registry-right.ts'
import { systemClock as clock } from '../os/system-clock.ts'
import type { Access } from '../registry/access/access-gate.ts'
import { Accounts } from '../registry/access/accounts.ts'
import { RefusedLogins } from '../registry/access/refused-logins.ts'
import { SignIn } from '../registry/access/sign-in.ts'
import { openTokenIssuer } from '../registry/access/token-issuer.ts'
import { PullThrough } from '../registry/cache/pull-through.ts'
import { openRegistry } from '../registry/client/open-registry.ts'
import { Housekeeping } from '../registry/keeping/housekeeping.ts'
import type { Keeping } from '../registry/keeping/keep-registry.ts'
import { DiskStore } from '../registry/disk/disk-store.ts'
import { Quota } from '../registry/server/quota.ts'
import { registryApp } from '../registry/server/registry-app.ts'
import { ConnectionShare } from './connection-share.ts'
import { dataPaths } from './data-folder.ts'
import { endServer } from './end-server.ts'
import { keepingOf, keptByFolder } from './keep-registry.ts'
import { lockFolder } from './folder-lock.ts'
import { closeAll, listenOn, listenOnSocket, listenOnTcp, TIMEOUTS } from './listen.ts'
import { readyFolder } from './ready-folder.ts'
import { renewTls } from './renew-tls.ts'
import { readTls } from './tls-files.ts'

/** Clients ask again on the connection that they have: docker within a minute. */
const KEEP_ALIVE_MS = 75_000

/** Whoever opens more is not let in: each costs memory and a file of the kernel. */
const MOST_CONNECTIONS = 4096
const MOST_OF_ONE_ADDRESS = MOST_CONNECTIONS / 4
/** How often connections are looked at that send no request (`headersTimeout`). */
const CHECK_MS = 5000

/** How long the releases of the folder may take to be read. */
const MEMORY_MS = 30_000

/**
 * The registry of a data folder and nothing else of Naru: the same store and the same routes as `naru server` has under /v2/.
 * Throws DATA_FOLDER_UNUSABLE, SERVER_IN_USE, PORT_TAKEN, USAGE_INVALID, DISK_FULL.
 */
export async function serveRegistry(options: RegistryOptions): Promise<OpenRegistry> {
  const closing: (() => unknown)[] = []
  try {
    return await open(options, closing)
  } catch (failed) {
    await closeAll(closing)
    throw failed
  }
}

async function open(options: RegistryOptions, closing: (() => unknown)[]): Promise<OpenRegistry> {
  const { folder, listen: address, tls } = options
  const paths = dataPaths(folder)
  await readyFolder(folder)
  if (tls !== null) await readTls(tls)
  const lock = lockFolder(paths.lock, folder)
  closing.push(() => lock.release())
  const store = await DiskStore.open(paths.registry, clock)
  closing.push(() => store.close())
  const ending = { graceMs: 0 }
  const { quota: limits } = options
  const quota = limits.repository === null && limits.whole === null ? null : new Quota(store, limits)
  const cache = cacheOf(store, quota, options, (reason) => housekeeping.full(reason))
  if (cache !== null) closing.push(() => cache.close())
  const keeping = keepingOf(store, () => keptByFolder(folder, AbortSignal.timeout(MEMORY_MS)), options.cache)
  const housekeeping = housekeepingOf(keeping, join(paths.registry, 'kept'), options)
  closing.push(() => housekeeping.close())
  const app = registryApp({
    store,
    full: (reason) => housekeeping.full(reason),
    access: await openAccess(paths.access, options),
    ...(cache === null ? {} : { cache }),
    ...(quota === null ? {} : { quota }),
    keeping,
  })
  const share = new ConnectionShare(MOST_OF_ONE_ADDRESS)
  const listen = async (at: ListenOptions) => {
    const times = { ...TIMEOUTS, keepAliveTimeout: KEEP_ALIVE_MS, connectionsCheckingInterval: CHECK_MS }
    const server = at.path === undefined ? await serverAt(times, tls, closing) : createServer(times)
    server.maxConnections = MOST_CONNECTIONS
    if (at.path === undefined) share.guard(server)
    server.on('request', app)
    await listenOn(server, at)
    closing.push(() => endServer(server, ending.graceMs))
    return server
  }
  const onSocket = await listenOnSocket(paths.registrySocket, listen)
  onSocket.on('connection', (socket) => locals.add(socket))
  closing.push(() => rmSync(paths.registrySocket, { force: true }))
  housekeeping.start()
  const url = await listenOnTcp(address, tls === null ? 'http' : 'https', listen)
  return {
    url,
    socket: paths.registrySocket,
    close: async (graceMs) => {
      ending.graceMs = graceMs
      await closeAll(closing)
    },
  }
}

/** A server for other machines: by TLS, with the certificate that the files hold at the time, where there is one. */
async function serverAt(
  times: ServerOptions,
  tls: RegistryOptions['tls'],
  closing: (() => unknown)[],
): Promise<Server | TlsServer> {
  if (tls === null) return createServer(times)
  const server = createTlsServer({ ...times, ...(await readTls(tls)) })
  closing.push(renewTls(server, tls, (message) => process.stderr.write(`tls: ${message}\n`)))
  return server
}

function cacheOf(
  store: DiskStore,
  quota: Quota | null,
  { cache, cacheFreshMs }: RegistryOptions,
  full: (reason: unknown) => void,
): PullThrough | null {
  if (cache.length === 0) return null
  const open = (registry: string) => openRegistry(registry, { clock, env: process.env })
  return new PullThrough({ store, quota, of: cache, open, clock, freshMs: cacheFreshMs, full })
}

function housekeepingOf(
  keeping: Keeping,
  folder: string,
  { housekeeping: { copiesUnusedMs, tell, ...plan }, cache }: RegistryOptions,
): Housekeeping {
  const aboutCopies = { tags: [], protect: [], keepLast: null, olderThanMs: copiesUnusedMs }
  const rules =
    copiesUnusedMs === null ? [] : cache.map(({ prefix }) => ({ ...aboutCopies, repositories: `${prefix}**` }))
  return new Housekeeping({ ...plan, rules }, { keeping, folder, clock, tell })
}

/** Connections over the unix socket, which only this user can open. */
const locals = new WeakSet<object>()

async function openAccess(folder: string, { anonymous, refusedLogin }: RegistryOptions): Promise<Access> {
  const accounts = await Accounts.open(folder, clock)
  const refused = new RefusedLogins(clock, refusedLogin)
  return {
    accounts,
    signIn: new SignIn(accounts, clock, (login) => refused.add(login)),
    issuer: await openTokenIssuer(folder),
    anonymous: anonymous.map(parseRegistryRight),
    clock,
    isLocal: ({ socket }) => locals.has(socket),
  }
}
