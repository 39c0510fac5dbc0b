import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { secretRequest } from '../api/requests.ts'
import { secretBody, secretsBody } from '../api/responses.ts'
import { DeployError } from '../model/failure.ts'
import { isVariableName } from '../model/names.ts'
import { scopeOf } from './environments/environment-status.ts'
import type { ServerContext } from './server-context.ts'

const params = z.object({ app: z.string(), environment: z.string() })
const named = params.extend({ name: z.string() })
const S = '/v1/apps/:app/environments/:environment/secrets'

/** Values go in, sealed, and never come out again. */
export const secretRoutes =
  ({ control }: ServerContext): FastifyPluginAsyncZod =>
  async (server) => {
    const { memory, clock } = control.place
    server.get(
      S,
      { schema: { summary: 'Names and versions', params, response: { 200: secretsBody } } },
      async (request) => ({
        secrets: [...(await memory.secrets(scopeOf(request.params)))],
      }),
    )
    server.put(
      `${S}/:name`,
      { schema: { summary: 'Set a new version', params: named, body: secretRequest, response: { 200: secretBody } } },
      async (request) => {
        const { value, by } = request.body
        const name = checkSecretName(request.params.name)
        const entry = await memory.setSecret(scopeOf(request.params), name, value, by, clock.now())
        return { name, version: entry.version }
      },
    )
    server.delete(
      `${S}/:name`,
      { schema: { summary: 'Unset', params: named, response: { 204: z.null() } } },
      async (request, reply) => {
        const name = checkSecretName(request.params.name)
        if (await memory.unsetSecret(scopeOf(request.params), name)) return reply.code(204).send(null)
        throw new DeployError('SECRET_NOT_FOUND', `there is no secret ${name}`, {
          hint: 'See the names with: naru secret list.',
        })
      },
    )
  }

function checkSecretName(name: string): string {
  if (isVariableName(name)) return name
  throw new DeployError('NAME_INVALID', `${JSON.stringify(name.slice(0, 80))} is no name for a secret`, {
    hint: 'Use letters, digits and underscores, not a digit first: DB_PASSWORD.',
  })
}
