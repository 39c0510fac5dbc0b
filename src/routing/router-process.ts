import { setTimeout as delay } from 'node:timers/promises'
import { flushCompileCache } from 'node:module'
import { join } from 'node:path'
import { backoff } from '../lib/backoff.ts'
import { failureReport } from '../model/failure.ts'
import { ROUTER_CHANNEL_VERSION, type RouterWho } from '../model/router-channel.ts'
import { type LinePeer, serveLines } from '../os/line-socket.ts'
import { DrainWatch } from './drain-watch.ts'
import type { RouterPush, RouterRequest } from './protocol.ts'
import { Readings } from './readings.ts'
import { RouterCore } from './router-core.ts'
import type { SocketsAsked } from './sockets/choose-sockets.ts'
import { startKeeper } from './start-keeper.ts'
import { KeeperLink } from './userland/keeper-link.ts'

/** Changes that come together are told together. */
const TELL_AFTER_MS = 5
const NOTES_KEPT = 50

export interface RouterProcessOptions {
  /** Holds `router.sock` and `router.json`. Its path is short: unix socket paths have at most 107 bytes. */
  readonly folder: string
  readonly instanceId: string
  /** `nftables`: in front of the userland router where root and nft are there; else a note says why not. */
  readonly fastPath: 'nftables' | 'none'
  readonly sockets: SocketsAsked
  /** What a person should know; kept for clients as well. */
  readonly note?: (message: string) => void
}

/** The socket and state file of a router in this folder. */
export const routerPaths = (folder: string) => ({
  socket: join(folder, 'router.sock'),
  state: join(folder, 'router.json'),
})

/**
 * Runs the router until it is told to end. Where the process has a channel to a parent (the keeper), that binds the addresses; when it
 * is gone the router goes on with what it has, and starts the next keeper when it is asked to. Only one runs per folder: the keeper sees to it.
 */
export async function runRouter(options: RouterProcessOptions): Promise<void> {
  const peers = new Set<LinePeer>()
  const notes: string[] = []
  const note = (message: string) => {
    if (notes.at(-1) !== message) notes.push(message)
    notes.splice(0, notes.length - NOTES_KEPT)
    options.note?.(message)
  }
  const changed = tellOnce((scope) => {
    for (const peer of peers) peer.push({ changed: scope } satisfies RouterPush)
  })
  const ending = Promise.withResolvers<{ remove: boolean; lingerMs: number }>()
  const opened = Promise.withResolvers<RouterCore>()
  const exited = async (scope: string, replica: string) => (await opened.promise).exited(scope, replica)
  const keeper = new KeeperLink((message) => {
    if (message.kind === 'shutdown') ending.resolve(message)
    else exited(message.scope, message.replica).catch((failed: unknown) => note((failed as Error).message))
  })
  if (process.send !== undefined) keeper.attach(process)
  const paths = routerPaths(options.folder)
  const { instanceId, fastPath, sockets } = options
  const running = await RouterCore.open({
    statePath: paths.state,
    instanceId,
    fastPath,
    sockets,
    keeper,
    changed,
    note,
  })
  opened.resolve(running)
  const readings = new Readings(running)
  const drains = new DrainWatch(readings, changed)
  const answer = async (request: RouterRequest, peer: LinePeer): Promise<unknown> => {
    if (request.kind === 'watch') watch(peers, peer)
    else if (request.kind === 'notes') return notes
    else if (request.kind === 'who') {
      return { pid: process.pid, instanceId, hasParent: keeper.connected } satisfies RouterWho
    } else if (request.kind === 'keep') return startKeeper(request, peer, (channel) => running.keptBy(channel))
    else if (request.kind === 'shutdown') ending.resolve(request)
    else return carryOut(running, readings, request, drains)
  }
  const server = await serveLines(
    paths.socket,
    ROUTER_CHANNEL_VERSION,
    (message, peer) => answer(message as RouterRequest, peer),
    failureReport,
  )
  // A successor must start fast, also when this process is killed and could not write it at its end.
  flushCompileCache()
  // A supervisor's signal or a Ctrl-C of the terminal that started it must not take the data path down by accident.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
  process.on('SIGTERM', () => ending.resolve({ remove: false, lingerMs: 0 }))
  const { remove, lingerMs } = await ending.promise
  drains.end()
  await running.close(remove)
  await server.close()
  await untilIdle(running, lingerMs)
}

async function carryOut(
  core: RouterCore,
  readings: Readings,
  request: Exclude<RouterRequest, { kind: 'watch' | 'notes' | 'who' | 'keep' | 'shutdown' }>,
  drains: DrainWatch,
): Promise<unknown> {
  switch (request.kind) {
    case 'observe':
      return readings.observe(request.scope)
    case 'publish':
      return core.publish(request.scope, request.routes, request.token)
    case 'admit':
      return core.admit(request.scope, request.target, request.token)
    case 'drain': {
      await core.drain(request.scope, request.replica, request.token)
      const target = await readings.drained(request.scope, request.replica)
      if (core.kernel !== null && target !== null && target.open > 0) drains.start(request.scope)
      return target?.inFlight ?? 0
    }
    case 'remove':
      return core.remove(request.scope, request.replica, request.token)
    case 'servedBy':
      return readings.servedBy(request.scope, request.sourcePorts)
    case 'exited':
      return core.exited(request.scope, request.replica)
  }
}

function watch(peers: Set<LinePeer>, peer: LinePeer): void {
  peers.add(peer)
  peer.onClose(() => peers.delete(peer))
}

function tellOnce(tell: (scope: string) => void): (scope: string) => void {
  const waiting = new Set<string>()
  return (scope) => {
    if (waiting.size === 0) {
      setTimeout(() => {
        const told = [...waiting]
        waiting.clear()
        for (const name of told) tell(name)
      }, TELL_AFTER_MS)
    }
    waiting.add(scope)
  }
}

/** Open connections may finish; what is left when the time is over ends with the process. */
async function untilIdle(core: RouterCore, lingerMs: number): Promise<void> {
  const until = performance.now() + lingerMs
  for (const ms of backoff()) {
    if (core.openConnections() === 0 || performance.now() >= until) return
    await delay(ms)
  }
}
