import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { serverBody } from '../api/responses.ts'
import { serverMetrics } from './server-metrics.ts'
import type { ServerContext } from './server-context.ts'

/** Whether it lives, what it is, and its numbers. */
export const healthRoutes =
  (context: ServerContext): FastifyPluginAsyncZod =>
  async (server) => {
    const metrics = await serverMetrics(context)
    server.get('/healthz', { schema: { summary: 'Alive', response: { 200: z.string() } } }, async () => 'ok\n')
    server.get('/v1/server', { schema: { summary: 'What this server is', response: { 200: serverBody } } }, () =>
      context.describe(),
    )
    server.get('/metrics', { schema: { summary: 'Numbers for Prometheus' } }, async (_request, reply) =>
      reply.type(metrics.contentType).send(await metrics.metrics()),
    )
  }
