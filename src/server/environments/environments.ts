import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { appsBody, statusBody } from '../../api/responses.ts'
import { environmentStatus, visibleScope } from './environment-status.ts'
import type { ServerContext } from '../server-context.ts'
import { sendStream } from '../sse.ts'
import { statusChanges } from './status-changes.ts'

const params = z.object({ app: z.string(), environment: z.string() })

/** What runs where. */
export const environmentRoutes =
  (context: ServerContext): FastifyPluginAsyncZod =>
  async (server) => {
    const { control, signal: stop } = context
    server.get(
      '/v1/apps',
      { schema: { summary: 'All apps and environments', response: { 200: appsBody } } },
      async () => {
        const scopes = await control.place.memory.scopes()
        const apps = scopes.map(async (scope) => ({
          ...scope,
          revision: (await control.place.memory.desired(scope)).revision,
        }))
        return { apps: await Promise.all(apps) }
      },
    )
    server.get(
      '/v1/apps/:app/environments/:environment',
      { schema: { summary: 'What runs now', params, response: { 200: statusBody } } },
      async (request) => environmentStatus(context, await visibleScope(context, request.params), stop),
    )
    server.get(
      '/v1/apps/:app/environments/:environment/watch',
      { schema: { summary: 'What runs, whenever it changes', params } },
      async (request, reply) => {
        const scope = await visibleScope(context, request.params)
        await sendStream(request, reply, stop, async function* (signal) {
          for await (const status of statusChanges(context, scope, signal)) yield { event: 'status', data: status }
        })
      },
    )
  }
