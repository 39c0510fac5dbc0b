import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { EventStream } from '../deploy/event-stream.ts'
import { DeployError } from '../model/failure.ts'
import type { ServerContext } from './server-context.ts'
import { sendStream } from './sse.ts'

/** The event streams of operations. */
export const operationRoutes =
  ({ control, signal: stop }: ServerContext): FastifyPluginAsyncZod =>
  async (server) => {
    server.get(
      '/v1/operations/:operation/events',
      {
        schema: {
          summary: 'Events of one operation; ends after its end event',
          params: z.object({ operation: z.string().max(64) }),
          querystring: z.object({ after: z.coerce.number().int().min(0).optional() }),
        },
      },
      async (request, reply) => {
        const stream = await found(request.params.operation)
        // Whoever follows a rollout waits for its end: this process goes on with it, if it only looked until now.
        if (!stream.ended && stream.rollout !== null) control.loop(stream.scope)
        const after = request.query.after ?? lastEventId(request.headers['last-event-id'])
        await sendStream(request, reply, stop, async function* (signal) {
          for await (const event of stream.follow(after, signal)) yield { id: event.id, event: event.kind, data: event }
        })
      },
    )
    // For whoever asked for it under CI, where a signal ends the operation and not only the watching.
    server.post(
      '/v1/operations/:operation/interrupt',
      {
        schema: {
          summary: 'End one operation after its current step; its rollout stays unfinished until it is resumed',
          params: z.object({ operation: z.string().max(64) }),
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        const { operation } = await found(request.params.operation)
        await control.interrupt(operation)
        return reply.code(204).send(null)
      },
    )

    async function found(operation: string): Promise<EventStream> {
      const stream = await control.operations.find(operation)
      if (stream !== null) return stream
      throw new DeployError('ROLLOUT_NOT_FOUND', `there is no operation ${operation}`, {
        hint: 'See what there was with: naru history.',
      })
    }
  }

/** Where a client wants to go on; what is no number of ours is from the beginning. */
const lastEventId = (header: string | readonly string[] | undefined): number =>
  typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : 0
