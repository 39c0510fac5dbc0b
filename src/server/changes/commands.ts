import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { byRequest, rollbackRequest, scaleRequest } from '../../api/requests.ts'
import { type OperationBody, operationBody } from '../../api/responses.ts'
import type { EnvironmentLoop } from '../../deploy/environment/environment-loop.ts'
import { nothingRuns } from '../../deploy/environment/nothing-runs.ts'
import type { RollAsked } from '../../deploy/rollout/new-rollout.ts'
import { nearest } from '../../lib/nearest.ts'
import type { Scope } from '../../model/app.ts'
import { DeployError } from '../../model/failure.ts'
import type { Rollout, RolloutKind } from '../../model/rollout.ts'
import { knownScope, scopeOf } from '../environments/environment-status.ts'
import type { ServerContext } from '../server-context.ts'

const params = z.object({ app: z.string(), environment: z.string() })
const ACCEPTED = { response: { 202: operationBody } }
const S = '/v1/apps/:app/environments/:environment'

/** What changes a running environment without a deploy. */
export const commandRoutes =
  (context: ServerContext): FastifyPluginAsyncZod =>
  async (server) => {
    const { control } = context
    const { memory } = control.place

    server.post(
      `${S}/rollback`,
      { schema: { summary: 'Go back to an earlier revision', params, body: rollbackRequest, ...ACCEPTED } },
      async (request, reply) => {
        const scope = await knownScope(context, request.params)
        const to = await control.rollbackRevision(scope, request.body.revision)
        return reply
          .code(202)
          .send(await begin(scope, 'rollback', request.body.by, (loop, asked) => loop.rollTo({ ...asked, to })))
      },
    )
    server.post(
      `${S}/scale`,
      { schema: { summary: 'Other numbers of replicas', params, body: scaleRequest, ...ACCEPTED } },
      async (request, reply) => {
        const scope = await knownScope(context, request.params)
        const { by, replicas } = request.body
        const { revision } = await memory.desired(scope)
        if (revision === null) throw await nothingRuns(control.place, scope)
        const release = await memory.release(scope, revision)
        checkRoles(Object.keys(replicas), release?.settings.roles.map(({ name }) => name) ?? [])
        return reply.code(202).send(await begin(scope, 'scale', by, (loop, asked) => loop.scale(replicas, asked)))
      },
    )
    for (const kind of ['resume', 'stop'] as const) {
      server.post(
        `${S}/${kind}`,
        { schema: { summary: SUMMARIES[kind], params, body: byRequest, ...ACCEPTED } },
        async (request, reply) => {
          const scope = await knownScope(context, request.params)
          return reply.code(202).send(await begin(scope, kind, request.body.by, (loop, asked) => loop[kind](asked)))
        },
      )
    }
    // These act on what is under way: its own stream tells what becomes of it.
    server.post(
      `${S}/pause`,
      { schema: { summary: 'Pause the rollout under way', params, body: byRequest, ...ACCEPTED } },
      async (request, reply) => {
        const scope = await knownScope(context, request.params)
        const { operation } = await control.loop(scope).pause()
        return reply.code(202).send({ operation, ...scope })
      },
    )
    server.post(
      `${S}/abort`,
      { schema: { summary: 'End what is under way, and roll back', params, body: byRequest, ...ACCEPTED } },
      async (request, reply) => {
        const scope = scopeOf(request.params)
        const operation = await control.abort(scope, request.body.by)
        return reply.code(202).send({ operation, ...scope })
      },
    )

    /** The operation of a new rollout, or of the one under way that took the change in. */
    async function begin(
      scope: Scope,
      kind: RolloutKind,
      by: string,
      ask: (loop: EnvironmentLoop, asked: RollAsked) => Promise<Rollout>,
    ): Promise<OperationBody> {
      const stream = control.operations.open(scope)
      try {
        const { operation } = await ask(control.loop(scope), { kind, by, stream })
        if (operation !== stream.operation) control.operations.drop(stream)
        return { operation, ...scope }
      } catch (failed) {
        control.operations.drop(stream)
        throw failed
      }
    }
  }

const SUMMARIES = {
  resume: 'Go on with what was paused or held',
  stop: 'Stop all replicas and give the addresses back',
} as const

function checkRoles(asked: readonly string[], roles: readonly string[]): void {
  const unknown = asked.find((role) => !roles.includes(role))
  if (unknown === undefined) return
  const near = nearest(unknown, roles)
  throw new DeployError('USAGE_INVALID', `there is no role ${JSON.stringify(unknown)}`, {
    hint: near === undefined ? `The roles are: ${roles.join(', ')}.` : `Did you mean ${near}?`,
  })
}
