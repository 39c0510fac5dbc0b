import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { deployRequest } from '../../api/requests.ts'
import { operationBody } from '../../api/responses.ts'
import { deployApp } from '../../deploy/deploy-app.ts'
import { appReader } from './app-reader.ts'
import { beginOperation } from './begin-operation.ts'
import { checkFingerprint } from './plans.ts'
import type { ServerContext } from '../server-context.ts'

/** From a commit to a rollout. */
export const deployRoutes =
  (context: ServerContext): FastifyPluginAsyncZod =>
  async (server) => {
    server.post(
      '/v1/deploys',
      { schema: { summary: 'Deploy', body: deployRequest, response: { 202: operationBody } } },
      async (request, reply) => {
        const { body } = request
        const { control, workshop } = context
        const reader = appReader(body, control.place.engine)
        const { app } = reader.front()
        if (body.plan !== null) await checkFingerprint(context, body, body.plan)
        const operation = await beginOperation(context, app, async (stream, signal) => {
          const { image, by, revision, source, variables } = body
          if (revision !== null) await control.loop(app).rollTo({ kind: 'rollback', to: revision, by, stream })
          else await deployApp(control, { workshop, reader, request: source, image, by, variables }, stream, signal)
        })
        return reply.code(202).send(operation)
      },
    )
  }
