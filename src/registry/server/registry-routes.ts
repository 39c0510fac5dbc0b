import type { IncomingMessage, ServerResponse } from 'node:http'
import { isDiskFull } from '../../model/disk-full.ts'
import { isRepository } from '../../model/reference.ts'
import type { RegistryAction } from '../../model/registry-right.ts'
import { type BodyOf, chooseBodies } from '../body/choose-bodies.ts'
import { streamBody } from '../body/request-body.ts'
import type { PullThrough } from '../cache/pull-through.ts'
import type { DiskStore } from '../disk/disk-store.ts'
import { deleteBlob, readBlob } from './blob-routes.ts'
import { ByteRoom } from './byte-room.ts'
import { DEFAULT_LIMITS, Exchange, type RegistryLimits } from './exchange.ts'
import type { Gate, Need } from './gate.ts'
import { listReferrers, listRepositories, listTags } from './list-routes.ts'
import { deleteManifest, readManifest, writeManifest } from './manifest-routes.ts'
import { parseTarget, type Target } from './parse-target.ts'
import type { Quota } from './quota.ts'
import { RegistryError, registryError } from './registry-error.ts'
import { type Reply, replyTo } from './reply.ts'
import { appendToUpload, beginUpload, cancelUpload, finishUpload, readUpload } from './upload-routes.ts'

/** What the routes under /v2/ serve from. */
export interface RegistryRoutesOptions {
  readonly store: DiskStore
  /** Lets each request in or refuses it, before anything else is looked at. */
  readonly gate: Gate
  readonly limits?: Partial<RegistryLimits>
  /** Repositories that are copies of other registries'. Default: none is. */
  readonly cache?: PullThrough
  /** The most that may be pushed. Default: what the disk takes. */
  readonly quota?: Quota
  /** Told why something could not be taken for want of room. */
  readonly full?: (reason: unknown) => void
  /** How bodies of uploads come. Default: from Node's handles, if NARU_REGISTRY_BODIES is not `streams`. */
  readonly bodyOf?: BodyOf
}

/** Answers one request. Never throws: a bug is answered 500 and told on stderr. */
export type RegistryRoutes = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** How long the rest of a refused body is read. */
const LINGER_MS = 10_000

type Answer = void | Promise<void>
type Routes = {
  readonly [K in Target['kind']]: Readonly<
    Record<string, (exchange: Exchange, target: Extract<Target, { kind: K }>) => Answer>
  >
}

/** Every endpoint of the registry: what it is about, then the method. HEAD is answered as GET where GET is. */
const ROUTES: Routes = {
  ping: { GET: ({ reply }) => reply.json({}) },
  catalog: { GET: listRepositories },
  tags: { GET: listTags },
  uploads: { POST: beginUpload },
  upload: { GET: readUpload, PATCH: appendToUpload, PUT: finishUpload, DELETE: cancelUpload },
  blob: { GET: readBlob, DELETE: deleteBlob },
  manifest: { GET: readManifest, PUT: writeManifest, DELETE: deleteManifest },
  referrers: { GET: listReferrers },
}

/** Whether a path is one of the registry. */
export const isRegistryPath = (url: string): boolean => /^\/v2(?:[/?]|$)/.test(url)

/** The registry under `/v2/` (OCI distribution specification 1.1). On Node's own HTTP: a framework would cost more than the answers. */
export function registryRoutes(options: RegistryRoutesOptions): RegistryRoutes {
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const room = new ByteRoom(limits.manifestsBytes)
  const sendRoom = new ByteRoom(limits.sendingBytes)
  const cache = options.cache ?? null
  const quota = options.quota ?? null
  const bodyOf = options.bodyOf ?? bodiesOfProcess()
  const route = async (request: IncomingMessage, reply: Reply): Promise<void> => {
    // A connection on which nothing moves is closed; node sets its own time again when the answer is out.
    request.socket.setTimeout(limits.stallMs)
    const url = request.url ?? ''
    const mark = url.indexOf('?')
    const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))
    const target = readTarget(mark < 0 ? url : url.slice(0, mark))
    // Asked for now: where it begins is known only while Node tells of the request.
    const body = 'kind' in target && target.kind.startsWith('upload') ? bodyOf(request) : streamBody(request)
    const need: Need = target instanceof RegistryError ? { kind: 'ping' } : needOf(target, request.method ?? '', query)
    const visitor = await options.gate(request, need)
    if (target instanceof RegistryError) throw target
    await answer(
      new Exchange({
        request,
        body,
        reply,
        store: options.store,
        limits,
        room,
        sendRoom,
        cache,
        quota,
        query,
        visitor,
      }),
      target,
    )
  }
  return async (request, response) => {
    const reply = replyTo(response)
    try {
      await route(request, reply)
    } catch (failed) {
      if (isWantOfRoom(failed)) options.full?.(failed)
      fail(request, reply, failed)
    }
  }
}

/** A full disk, or a quota. */
const isWantOfRoom = (failed: unknown): boolean =>
  failed instanceof RegistryError ? failed.code === 'DENIED' && failed.status === 413 : isDiskFull(failed)

const bodiesOfProcess = () => {
  const asked = process.env.NARU_REGISTRY_BODIES === 'streams' ? 'streams' : 'handles'
  return chooseBodies(asked, (message) => process.stderr.write(`${message}\n`))
}

/** The target, or what is wrong with the path: told only to whoever is let in. */
function readTarget(path: string): Target | RegistryError {
  try {
    return parseTarget(path)
  } catch (failed) {
    if (failed instanceof RegistryError) return failed
    throw failed
  }
}

/** What a request to a target does there. */
function needOf(target: Target, method: string, query: URLSearchParams): Need {
  if (target.kind === 'ping' || target.kind === 'catalog') return { kind: target.kind }
  const { repository } = target
  const need = (action: RegistryAction) => ({ kind: 'repository', repository, action }) as const
  if (target.kind === 'upload') return need('push')
  if (target.kind !== 'uploads') return need(method === 'PUT' ? 'push' : method === 'DELETE' ? 'delete' : 'pull')
  const from = query.get('from')
  const mountFrom = from !== null && isRepository(from) ? from : null
  return query.has('mount') ? { ...need('push'), mountFrom } : need('push')
}

function answer(exchange: Exchange, target: Target): Answer {
  const methods = ROUTES[target.kind] as Readonly<Record<string, (exchange: Exchange, target: Target) => Answer>>
  const method = exchange.request.method ?? ''
  const work = Object.hasOwn(methods, method) ? methods[method] : method === 'HEAD' ? methods.GET : undefined
  if (work !== undefined && CHANGING.has(method)) refuseCopies(exchange, target)
  if (work !== undefined) return work(exchange, target)
  const headers = { Allow: Object.keys(methods).join(', ') }
  throw new RegistryError('UNSUPPORTED', `${method} is not possible here`, { headers })
}

const CHANGING: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])

/** Copies are what their registry has: nobody pushes to them. They may be deleted. */
function refuseCopies({ cache }: Exchange, target: Target): void {
  const origin = 'repository' in target ? (cache?.originOf(target.repository) ?? null) : null
  if (origin !== null) throw new RegistryError('UNSUPPORTED', `this is a cache of ${origin}: push there`)
}

function fail(request: IncomingMessage, reply: Reply, failed: unknown): void {
  // The rest of an answer that has begun cannot come: the client sees it by the end of the connection.
  if (reply.sent) return void reply.raw.destroy()
  // A client that goes away in mid-request is no bug of ours; nobody reads this answer.
  if (request.destroyed && !request.complete) return void reply.raw.destroy()
  const error = registryError(failed)
  if (error === null) process.stderr.write(`${request.method} ${request.url}: ${String((failed as Error).stack)}\n`)
  refuse(request, reply, error ?? new RegistryError('UNKNOWN', 'this is a bug of the registry: see what it wrote'))
}

/**
 * Answers an error. The rest of the body is read and thrown away for a while: closing the connection with bytes unread
 * would reset it, and the client would never see the answer.
 */
function refuse(request: IncomingMessage, reply: Reply, error: RegistryError): void {
  if (!request.complete && !request.destroyed) {
    const timer = setTimeout(() => request.destroy(), LINGER_MS)
    request.once('close', () => clearTimeout(timer))
    request.resume()
  }
  reply.begin().status(error.status).headers(error.headers).json(error.body)
}
