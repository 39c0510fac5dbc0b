import type { FastifyReply, FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { commitParams } from '../../api/requests.ts'
import { sourceBody } from '../../api/responses.ts'
import { DeployError } from '../../model/failure.ts'
import type { ServerContext } from '../server-context.ts'

/** A connection on which no byte of a pack moves for so long is closed (A14). */
const STALL_MS = 60_000
/** How long the rest of a refused pack is read, so that its sender sees the answer. */
const LINGER_MS = 10_000

/** Commits that clients send, because this server cannot reach their repository. */
export const sourceRoutes =
  ({ workshop, signal: stop }: ServerContext): FastifyPluginAsyncZod =>
  async (server) => {
    const { uploads } = workshop
    // Only in this plugin's scope: the body stays a stream.
    server.addContentTypeParser('application/octet-stream', (_request, _payload, done) => done(null))
    server.get(
      '/v1/sources/:commit',
      {
        schema: {
          summary: 'Whether a commit was sent, and what need not be sent with it',
          params: commitParams,
          response: { 200: sourceBody },
        },
      },
      async ({ params: { commit } }) => bodyOf(commit, await uploads.find(commit)),
    )
    server.put(
      '/v1/sources/:commit',
      {
        schema: {
          summary: 'Send a commit as a git pack of its objects',
          params: commitParams,
          consumes: ['application/octet-stream'],
          response: { 201: sourceBody },
        },
      },
      async (request, reply) => {
        const { commit } = request.params
        try {
          await uploads.receive(commit, arriving(request), AbortSignal.any([stop, goneSignal(reply)]))
        } finally {
          letRest(request)
        }
        return reply.code(201).send(bodyOf(commit, await uploads.find(commit)))
      },
    )
  }

const bodyOf = (commit: string, { isHere, kept }: { isHere: boolean; kept: readonly string[] }) => ({
  commit,
  isHere,
  kept: [...kept],
})

/** The body while it comes. Whoever stops reading half-way can still answer: the connection is left alone. */
function arriving({ raw }: FastifyRequest): AsyncIterable<Uint8Array> {
  raw.socket.setTimeout(STALL_MS)
  // Checking what came may take longer than a client may be silent.
  raw.once('end', () => raw.socket.setTimeout(0))
  return raw.iterator({ destroyOnReturn: false })
}

/** Closing a connection with bytes unread would reset it, and the client would never see the answer. */
function letRest({ raw }: FastifyRequest): void {
  if (raw.complete) return
  const timer = setTimeout(() => raw.destroy(), LINGER_MS)
  raw.once('close', () => clearTimeout(timer))
  raw.on('data', () => {})
}

/** Aborted when the connection closes before the answer is out. */
function goneSignal({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController()
  raw.once('close', () => {
    if (raw.writableFinished) return
    gone.abort(new DeployError('INTERRUPTED', 'the client has gone', { hint: 'Nothing was kept. Send it again.' }))
  })
  return gone.signal
}
