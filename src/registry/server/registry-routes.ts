import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { DiskStore } from '../disk/disk-store.ts'
import { deleteBlob, readBlob } from './blob-routes.ts'
import { DEFAULT_LIMITS, type Exchange, type RegistryLimits } from './exchange.ts'
import { listReferrers, listRepositories, listTags } from './list-routes.ts'
import { deleteManifest, readManifest, writeManifest } from './manifest-routes.ts'
import { parseTarget, type Target } from './parse-target.ts'
import { RegistryError, registryError } from './registry-error.ts'
import { appendToUpload, beginUpload, cancelUpload, finishUpload, readUpload } from './upload-routes.ts'

/** What the routes under /v2/ serve from. */
export interface RegistryRoutesOptions {
  readonly store: DiskStore
  /** Whether a request may go on; a request that may not is answered 401 and asked for Basic credentials. */
  readonly authorize: (request: FastifyRequest) => boolean | Promise<boolean>
  readonly limits?: Partial<RegistryLimits>
}

/** How long the rest of a refused body is read. */
const LINGER_MS = 10_000

type Answer = Promise<FastifyReply>
type Routes = {
  readonly [K in Target['kind']]: Readonly<
    Record<string, (exchange: Exchange, target: Extract<Target, { kind: K }>) => Answer>
  >
}

/** Every endpoint of the registry: what it is about, then the method. HEAD is answered as GET where GET is. */
const ROUTES: Routes = {
  ping: { GET: async ({ reply }) => reply.send({}) },
  catalog: { GET: listRepositories },
  tags: { GET: listTags },
  uploads: { POST: beginUpload },
  upload: { GET: readUpload, PATCH: appendToUpload, PUT: finishUpload, DELETE: cancelUpload },
  blob: { GET: readBlob, DELETE: deleteBlob },
  manifest: { GET: readManifest, PUT: writeManifest, DELETE: deleteManifest },
  referrers: { GET: listReferrers },
}

/** The embedded registry under `/v2/` (OCI distribution specification 1.1), as a plugin of fastify. */
export const registryRoutes: FastifyPluginAsync<RegistryRoutesOptions> = async (app, options) => {
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  takeBodiesAsStreams(app)
  app.setErrorHandler((failed, request, reply) => {
    // A client that goes away in mid-request is no bug of ours; nobody reads this answer.
    if (request.raw.destroyed && !request.raw.complete) return refuse(reply, brokenOff(failed))
    return refuse(reply, registryError(failed))
  })
  const route = async (request: FastifyRequest, reply: FastifyReply) => {
    reply.header('Docker-Distribution-Api-Version', 'registry/2.0')
    // A connection on which nothing moves is closed; node sets its own time again when the answer is out.
    request.raw.socket.setTimeout(limits.stallMs)
    if (!(await options.authorize(request))) throw unauthorized()
    const url = request.raw.url ?? ''
    const mark = url.indexOf('?')
    const target = parseTarget(mark < 0 ? url : url.slice(0, mark))
    const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))
    return answer({ request, reply, store: options.store, limits, query, signal: goneSignal(reply) }, target)
  }
  app.all('/v2', route)
  app.all('/v2/*', route)
}

function answer(exchange: Exchange, target: Target): Answer {
  const methods = ROUTES[target.kind] as Readonly<Record<string, (exchange: Exchange, target: Target) => Answer>>
  const { method } = exchange.request
  const work = Object.hasOwn(methods, method) ? methods[method] : method === 'HEAD' ? methods.GET : undefined
  if (work !== undefined) return work(exchange, target)
  const headers = { Allow: Object.keys(methods).join(', ') }
  throw new RegistryError('UNSUPPORTED', `${method} is not possible here`, { headers })
}

/** Bodies of every content type stay streams; only this plugin's scope is changed. */
function takeBodiesAsStreams(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
}

/**
 * Answers an error. The rest of the body is read and thrown away for a while: closing the connection with bytes unread
 * would reset it, and the client would never see the answer.
 */
function refuse(reply: FastifyReply, error: RegistryError): FastifyReply {
  const { raw } = reply.request
  if (!raw.complete) {
    const timer = setTimeout(() => raw.destroy(), LINGER_MS)
    raw.once('close', () => clearTimeout(timer))
    raw.resume()
  }
  for (const name of ['Content-Length', 'Content-Range', 'ETag', 'Docker-Content-Digest']) reply.removeHeader(name)
  return reply.status(error.status).headers(error.headers).type('application/json').send(error.body)
}

/** Aborted when the connection closes before the answer is out. */
function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new Error('the client has gone'))
  })
  return gone.signal
}

const unauthorized = () =>
  new RegistryError('UNAUTHORIZED', 'the registry wants the token of this server: user "naru", the token as password', {
    headers: { 'WWW-Authenticate': 'Basic realm="naru"' },
  })

const brokenOff = (cause: unknown) =>
  new RegistryError('SIZE_INVALID', 'the request was not sent to its end', { cause })
