import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { ListenOptions } from 'node:net'
import { join } from 'node:path'
import type { OpenServer, ServerOptions } from '../cli/host.ts'
import { Control } from '../deploy/control.ts'
import { DeployError } from '../model/failure.ts'
import type { KeepingReport } from '../model/registry-keeping.ts'
import { systemClock } from '../os/system-clock.ts'
import { Housekeeping } from '../registry/keeping/housekeeping.ts'
import { oneKeyGate } from '../registry/server/gate.ts'
import { answerKeeping, KEEPING_PATH } from '../registry/server/keeping-routes.ts'
import { isRegistryPath, registryRoutes } from '../registry/server/registry-routes.ts'
import { carriesToken } from '../server/authorize.ts'
import { buildServer } from '../server/build-server.ts'
import type { ServerContext } from '../server/server-context.ts'
import { storeBaseImage } from './base-images.ts'
import { dataPaths } from './data-folder.ts'
import { lockFolder } from './folder-lock.ts'
import { keepingOf, keptByReleases } from './keep-registry.ts'
import { keptToken } from './kept-token.ts'
import { closeAll, listenOn, listenOnSocket, listenOnTcp, TIMEOUTS } from './listen.ts'
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
  const close = () => closeAll(closing)
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
  const keeping = keepingOf(opened.images, () => keptByReleases(opened.place.memory))
  const housekeeping = new Housekeeping(NOTHING_BY_ITSELF, {
    keeping,
    folder: join(paths.registry, 'kept'),
    clock: systemClock,
    tell: tellFailure,
  })
  closing.push(() => housekeeping.close())
  const registry = registryRoutes({
    store: opened.images,
    gate: oneKeyGate((request) => token === null || isLocal(request.socket) || carriesToken(request, token)),
    full: (reason) => housekeeping.full(reason),
  })
  await server.ready()
  closing.push(async () => {
    ending.abort(new DeployError('INTERRUPTED', 'the server is ending', { hint: 'Start it again: naru server.' }))
    await control.ended()
    await server.close()
  })
  const listen = async (address: ListenOptions) => {
    const listening = createServer(TIMEOUTS, (request, response) => {
      if (isRegistryPath(request.url ?? '')) void registry(request, response)
      else if (request.url === KEEPING_PATH && isLocal(request.socket)) void answerKeeping(keeping, request, response)
      else server.routing(request, response)
    })
    await listenOn(listening, address)
    closing.push(() => {
      listening.closeAllConnections()
      return new Promise((done) => listening.close(done))
    })
    return listening
  }
  const socketServer = await listenOnSocket(paths.socket, listen)
  socketServer.on('connection', (socket) => locals.add(socket))
  closing.push(() => rmSync(paths.socket, { force: true }))
  const url = options.listen === null ? null : await listenOnTcp(options.listen, 'http', listen)
  if (options.inside !== 'looks') await control.start()
  return {
    socket: paths.socket,
    url,
    interrupt: (operation) => control.interrupt(operation),
    finish: (waiting, signal) => control.finish(waiting, signal),
    close,
  }
}

/** Releases come and go with deploys, and `naru registry gc` is asked for. */
const NOTHING_BY_ITSELF = { collectEveryMs: null, rules: [], scrubEveryMs: null, bytesPerSecond: null }

function tellFailure(report: KeepingReport): void {
  if (report.kind === 'failed') process.stderr.write(`registry: ${report.code}: ${report.message}\n`)
}

/**
 * Connections over the unix socket, which only its user can open. By the listener and not by a missing address: a connection
 * over TCP has none either once its client has reset it, and what it sent before is still read.
 */
const locals = new WeakSet<object>()
const isLocal = (socket: object): boolean => locals.has(socket)

async function describe(
  { folder, inside, onDemand = false }: ServerOptions,
  { place, roots }: Awaited<ReturnType<typeof openPlace>>,
) {
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
    onDemand,
    notes: [...(await place.engine.notes())],
  }
}
