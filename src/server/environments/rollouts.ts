import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { historyBody } from '../../api/responses.ts'
import { DeployError } from '../../model/failure.ts'
import { knownScope, rolloutBodyOf } from './environment-status.ts'
import type { ServerContext } from '../server-context.ts'

const params = z.object({ app: z.string(), environment: z.string() })

/** History and receipts. */
export const rolloutRoutes =
  (context: ServerContext): FastifyPluginAsyncZod =>
  async (server) => {
    const { memory } = context.control.place
    server.get(
      '/v1/apps/:app/environments/:environment/rollouts',
      {
        schema: {
          summary: 'Rollouts, newest first',
          params,
          querystring: z.object({ limit: z.coerce.number().int().min(1).max(1000).default(20) }),
          response: { 200: historyBody },
        },
      },
      async (request) => {
        const scope = await knownScope(context, request.params)
        const rollouts = await memory.rollouts(scope, request.query.limit)
        const releases = new Map((await memory.releases(scope)).map((release) => [release.revision, release]))
        const lines = rollouts.map(async (rollout) => {
          const release = releases.get(rollout.to)
          const receipt = await memory.receipt(scope, rollout.id)
          const requests = receipt?.requests
          const measured = requests?.kind === 'measured' ? requests : null
          return {
            ...rolloutBodyOf(rollout),
            // The receipt outlives the release, which history forgets at its limit.
            commit: release?.source.commit ?? receipt?.commit ?? null,
            subject: release?.source.subject ?? receipt?.subject ?? null,
            digest: release?.artifact.digest ?? receipt?.digest ?? null,
            lost: measured?.lost ?? null,
            sent: measured?.sent ?? null,
            tookMs: receipt?.tookMs ?? null,
          }
        })
        return { rollouts: await Promise.all(lines) }
      },
    )
    server.get(
      '/v1/apps/:app/environments/:environment/rollouts/:rollout/receipt',
      {
        schema: {
          summary: 'The receipt of one rollout',
          params: params.extend({ rollout: z.union([z.literal('last'), z.coerce.number().int().positive()]) }),
        },
      },
      async (request) => {
        const scope = await knownScope(context, request.params)
        const asked = request.params.rollout
        const id =
          asked === 'last' ? (await memory.rollouts(scope, 20)).find(({ phase }) => phase === 'Done')?.id : asked
        const receipt = id === undefined ? null : await memory.receipt(scope, id)
        if (receipt !== null) return receipt
        throw new DeployError('ROLLOUT_NOT_FOUND', `there is no receipt of rollout ${asked}`, {
          hint: 'See the rollouts that ended with: naru history.',
        })
      },
    )
  }
