import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { knownScope } from './environment-status.ts'
import { checkLogs } from './find-logs.ts'
import type { ServerContext } from '../server-context.ts'
import { sendStream } from '../sse.ts'

const query = z.object({
  role: z.string().optional(),
  replica: z.string().optional(),
  revision: z.coerce.number().int().positive().optional(),
  tail: z.coerce.number().int().min(0).max(1_000_000).default(100),
  follow: z.enum(['true', 'false']).default('false'),
})

/** What replicas wrote. */
export const logRoutes =
  (context: ServerContext): FastifyPluginAsyncZod =>
  async (server) => {
    const { control, signal: stop } = context
    server.get(
      '/v1/apps/:app/environments/:environment/logs',
      {
        schema: {
          summary: 'Log lines of replicas',
          params: z.object({ app: z.string(), environment: z.string() }),
          querystring: query,
        },
      },
      async (request, reply) => {
        const scope = await knownScope(context, request.params)
        const { role = null, replica = null, revision = null, tail, follow } = request.query
        const options = { role, replica, revision, tail, follow: follow === 'true' }
        checkLogs(options, await control.place.engine.logged(scope))
        await sendStream(request, reply, stop, async function* (signal) {
          for await (const line of control.place.engine.logs(scope, options, signal))
            yield { event: 'line', data: line }
          yield { event: 'end', data: {} }
        })
      },
    )
  }
