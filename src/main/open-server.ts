import { randomBytes } from 'node:crypto'
import { chmodSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, ListenOptions } from 'node:net'
import { join } from 'node:path'
import type { OpenServer, ServerOptions } from '../cli/host.ts'
import { Control } from '../deploy/control.ts'
import { DeployError } from '../model/failure.ts'
import { writeFileAtomic } from '../os/atomic-file.ts'
import { isRegistryPath, registryRoutes } from '../registry/server/registry-routes.ts'
import { carriesToken } from '../server/authorize.ts'
import { buildServer } from '../server/build-server.ts'
import type { ServerContext } from '../server/server-context.ts'
import { storeBaseImage } from './base-images.ts'
import { dataPaths } from './data-folder.ts'
import { lockFolder } from './folder-lock.ts'
import { openPlace } from './open-place.ts'
import { openWorkshop } from './open-workshop.ts'
import { pruneStorage } from './prune-images.ts'
import { readyFolder } from './ready-folder.ts'
import { VERSION } from './version.ts'

/** Opens everything of a data folder and serves it. Whatever fails closes what was opened. Throws DATA_FOLDER_UNUSABLE, SERVER_IN_USE, PORT_TAKEN, USAGE_INVALID. */
export async function openServer(options: ServerOptions): Promise<OpenServer> {
  const { folder } = options
  await readyFolder(folder)
  const closing: (() => unknown)[] = []
  const close = async () => {
    const failures: unknown[] = []
    // Whatever fails to close keeps nothing else open.
    for (const step of closing.splice(0).reverse()) {
      try {
        await step()
      } catch (failed) {
        failures.push(failed)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
  try {
    const lock = lockFolder(dataPaths(folder).lock, folder)
    closing.push(() => lock.release())
    return await serve(options, closing, close)
  } catch (failed) {
    await close()
    throw failed
  }
}

async function serve(
  options: ServerOptions,
  closing: (() => unknown)[],
  close: () => Promise<void>,
): Promise<OpenServer> {
  const { folder } = options
  const paths = dataPaths(folder)
  const ending = new AbortController()
  const opened = await openPlace(folder, ending.signal)
  closing.push(() => opened.close())
  const { workshop, builder } = await openWorkshop(folder, opened.images)
  const control = new Control(opened.place, () => randomBytes(8).toString('hex'), ending.signal)
  const token = options.listen === null ? null : (options.token ?? (await keptToken(folder)))
  const context: ServerContext = {
    control,
    workshop,
    images: opened.images,
    describe: () => describe(options, opened),
    makeBaseImage: (request, signal) => storeBaseImage(folder, opened.images, request, signal),
    prune: (request, signal) =>
      pruneStorage({ images: opened.images, memory: opened.place.memory, builder }, request, signal),
    token,
    isLocal,
    version: VERSION,
    signal: ending.signal,
  }
  const server = await buildServer(context)
  const registry = registryRoutes({
    store: opened.images,
    authorize: (request) => token === null || isLocal(request.socket) || carriesToken(request, token),
  })
  await server.ready()
  closing.push(async () => {
    ending.abort(new DeployError('INTERRUPTED', 'the server is ending', { hint: 'Start it again: naru server.' }))
    await control.ended()
    await server.close()
  })
  const listen = (address: ListenOptions) =>
    listenOn(
      createServer(TIMEOUTS, (request, response) => {
        if (isRegistryPath(request.url ?? '')) void registry(request, response)
        else server.routing(request, response)
      }),
      address,
      closing,
    )
  rmSync(paths.socket, { force: true })
  const mask = process.umask(0o177)
  const onSocket = listen({ path: paths.socket })
  process.umask(mask)
  const socketServer = await onSocket
  socketServer.on('connection', (socket) => locals.add(socket))
  chmodSync(paths.socket, 0o600)
  closing.push(() => rmSync(paths.socket, { force: true }))
  const url = options.listen === null ? null : await listenOnTcp(options.listen, listen)
  if (options.inside !== 'looks') await control.start()
  return {
    socket: paths.socket,
    url,
    interrupt: (operation) => control.interrupt(operation),
    finish: (waiting, signal) => control.finish(waiting, signal),
    close,
  }
}

/**
 * Connections over the unix socket, which only its user can open. By the listener and not by a missing address: a connection
 * over TCP has none either once its client has reset it, and what it sent before is still read.
 */
const locals = new WeakSet<object>()
const isLocal = (socket: object): boolean => locals.has(socket)

/** A layer may take long to arrive; what stalls is ended by the registry. Headers have no reason to. */
const TIMEOUTS = { headersTimeout: 20_000, requestTimeout: 60 * 60_000 }

async function listenOnTcp(address: string, listen: (options: ListenOptions) => Promise<Server>): Promise<string> {
  const [, host = '', port = ''] = /^(?:(\[[0-9a-fA-F:]+\]|[^:\s]+):)?(\d{1,5})$/.exec(address) ?? []
  if (port === '' || Number(port) > 65_535) {
    throw new DeployError('USAGE_INVALID', `--listen ${JSON.stringify(address)} is no address`, {
      hint: 'Write HOST:PORT, such as 127.0.0.1:7070.',
    })
  }
  const bare = host === '' ? '127.0.0.1' : host.replace(/^\[|\]$/g, '')
  const server = await listen({ host: bare, port: Number(port) })
  const bound = server.address() as AddressInfo
  return `http://${bare.includes(':') ? `[${bare}]` : bare}:${bound.port}`
}

function listenOn(server: Server, address: ListenOptions, closing: (() => unknown)[]): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', (failed: NodeJS.ErrnoException) => {
      if (failed.code !== 'EADDRINUSE') return reject(failed)
      const where = `${address.host}:${address.port}`
      const hint = 'Choose another one with --listen, or end what listens there (ss -ltnp).'
      return reject(
        new DeployError('PORT_TAKEN', `${where} is taken`, { hint, detail: { address: where }, cause: failed }),
      )
    })
    server.listen(address, () => {
      closing.push(() => {
        server.closeAllConnections()
        return new Promise((done) => server.close(done))
      })
      resolve(server)
    })
  })
}

/** The token of a server that was given none: made once, readable by its user only. */
async function keptToken(folder: string): Promise<string> {
  const path = join(folder, 'token')
  const kept = (await readFile(path, 'utf8').catch(() => '')).trim()
  if (kept !== '') return kept
  const token = randomBytes(24).toString('base64url')
  await writeFileAtomic(path, `${token}\n`, 0o600)
  return token
}

async function describe({ folder, inside }: ServerOptions, { place, roots }: Awaited<ReturnType<typeof openPlace>>) {
  return {
    version: VERSION,
    pid: process.pid,
    node: process.versions.node,
    engine: place.engine.name,
    isolation: roots.isolation,
    isolationWhy: [...roots.why],
    limits: [...roots.limits],
    router: process.env.NARU_ROUTER === 'userland' ? 'userland' : 'nftables where possible, else userland',
    folder,
    inside: inside !== undefined,
    notes: [...(await place.engine.notes())],
  }
}
