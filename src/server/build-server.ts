import swagger from '@fastify/swagger'
import { fastify, type FastifyInstance } from 'fastify'
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { redactToken, requireToken } from './authorize.ts'
import { buildRoutes } from './changes/builds.ts'
import { commandRoutes } from './changes/commands.ts'
import { deployRoutes } from './changes/deploys.ts'
import { environmentRoutes } from './environments/environments.ts'
import { sendError, sendNotFound } from './errors.ts'
import { healthRoutes } from './health.ts'
import { imageRoutes } from './images.ts'
import { logRoutes } from './environments/logs.ts'
import { operationRoutes } from './operations.ts'
import { planRoutes } from './changes/plans.ts'
import { rolloutRoutes } from './environments/rollouts.ts'
import { secretRoutes } from './secrets.ts'
import type { ServerContext } from './server-context.ts'
import { sourceRoutes } from './changes/sources.ts'

const OPEN = new Set(['/healthz'])

/** The whole HTTP side but for the registry: API, event streams, metrics. The caller listens. */
export async function buildServer(context: ServerContext): Promise<FastifyInstance> {
  const { token } = context
  const redact = token === null ? (text: string) => text : redactToken(token)
  const onError = sendError(redact)
  const server = fastify({
    bodyLimit: 4 * 2 ** 20,
    // A client that sends its headers or body a byte a minute must not hold a connection for ever (A14).
    requestTimeout: 0,
    connectionTimeout: 0,
    keepAliveTimeout: 72_000,
    forceCloseConnections: true,
    logger: false,
    // A URL that cannot be decoded gets our shape as well.
    frameworkErrors: (failed, request, reply) => void onError(failed, request, reply),
  })
  server.setValidatorCompiler(validatorCompiler)
  server.setSerializerCompiler(serializerCompiler)
  server.setErrorHandler(onError)
  server.setNotFoundHandler(sendNotFound(redact))
  server.addHook('onRequest', async (request) => {
    if (token === null || context.isLocal(request.raw.socket)) return
    if (OPEN.has(request.url)) return
    requireToken(request, token)
  })
  await server.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: 'Naru', version: context.version } },
    transform: jsonSchemaTransform,
  })
  const resources = [
    healthRoutes,
    deployRoutes,
    buildRoutes,
    planRoutes,
    operationRoutes,
    environmentRoutes,
    rolloutRoutes,
    commandRoutes,
    logRoutes,
    secretRoutes,
    imageRoutes,
    sourceRoutes,
  ]
  for (const routes of resources) await server.register(routes(context))
  server.get('/openapi.json', { schema: { hide: true } }, async () => server.swagger())
  return server
}
