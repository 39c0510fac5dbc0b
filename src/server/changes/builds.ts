import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { type BuildRequestBody, buildRequest } from '../../api/requests.ts'
import { operationBody } from '../../api/responses.ts'
import { buildApp } from '../../deploy/build-app.ts'
import { DeployError } from '../../model/failure.ts'
import { parseReference } from '../../model/reference.ts'
import { appReader } from './app-reader.ts'
import { beginOperation } from './begin-operation.ts'
import type { ServerContext } from '../server-context.ts'

/** Build without deploying. */
export const buildRoutes =
  (context: ServerContext): FastifyPluginAsyncZod =>
  async (server) => {
    server.post(
      '/v1/builds',
      { schema: { summary: 'Build', body: buildRequest, response: { 202: operationBody } } },
      async (request, reply) => {
        const { body } = request
        const { control, workshop } = context
        const reader = appReader(body, control.place.engine)
        const { dockerfile, target, args, source } = body
        const { tags, push } = whereTo(body.tags)
        const layout = layoutFolder(body)
        const task = {
          workshop,
          reader,
          request: source,
          dockerfile,
          target,
          platforms: body.platforms ?? [],
          extras: {
            ...{ args, tags, variables: body.variables },
            ...{
              ssh: body.ssh ?? {},
              contexts: body.contexts ?? {},
              runLimits: body.runLimits ?? null,
              ca: body.ca ?? null,
              fresh: body.fresh ?? false,
            },
          },
          push,
          layout,
        }
        const operation = await beginOperation(context, reader.front().app, async (stream, signal) => {
          await buildApp(control, task, stream, signal)
        })
        return reply.code(202).send(operation)
      },
    )
  }

/** `v1` is a tag in the embedded registry; a reference with a registry is pushed there. */
function whereTo(asked: readonly string[]): { tags: string[]; push: string[] } {
  const push = asked.filter((text) => text.includes('/') || text.includes(':'))
  for (const reference of push) parseReference(reference)
  return { push, tags: asked.filter((text) => !push.includes(text)) }
}

function layoutFolder({ output }: BuildRequestBody): string | null {
  if (output === null) return null
  const folder = output.startsWith('oci:') ? output.slice('oci:'.length) : ''
  if (folder.startsWith('/')) return folder
  throw new DeployError('USAGE_INVALID', `--output ${output} is not supported`, { hint: 'Write --output oci:FOLDER.' })
}
