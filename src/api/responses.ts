import { z } from 'zod'

/** Our error shape: the distribution specification's, with a hint. */
export const errorBody = z.object({
  errors: z.array(
    z.object({
      code: z.string(),
      message: z.string(),
      hint: z.string(),
      detail: z.record(z.string(), z.union([z.string(), z.number()])),
    }),
  ),
})

/** An operation that has begun: follow its events. */
export const operationBody = z.object({ operation: z.string(), app: z.string(), environment: z.string() })

/** A commit that was or may be sent. */
export const sourceBody = z.object({
  commit: z.string(),
  isHere: z.boolean().describe('With all its files: nothing need be sent.'),
  kept: z.array(z.string()).describe('The newest commits that are here: what those have need not be sent either.'),
})

const address = z.object({ host: z.string(), port: z.number() }).nullable()

const replica = z.object({
  id: z.string(),
  role: z.string(),
  revision: z.number(),
  phase: z.enum(['Pending', 'Running', 'Terminating', 'Exited']),
  ready: z.boolean(),
  restarts: z.number(),
  startedAtMs: z.number(),
  pid: z.number().nullable(),
  address,
  target: z.enum(['Active', 'Draining', 'Down', 'none']),
  inFlight: z.number(),
  open: z.number(),
  problem: z.string().nullable().describe('First cause, when it cannot become ready.'),
})

const role = z.object({
  role: z.string(),
  replicas: z.number(),
  updated: z.number(),
  ready: z.number(),
  available: z.number(),
  old: z.number(),
  terminating: z.number(),
})

export const rolloutBody = z.object({
  id: z.number(),
  operation: z.string(),
  kind: z.enum(['deploy', 'rollback', 'scale', 'stop', 'resume']),
  to: z.number(),
  from: z.number().nullable(),
  phase: z.enum(['Preparing', 'Progressing', 'Paused', 'RollingBack', 'Held', 'Done']),
  startedAtMs: z.number(),
  startedBy: z.string(),
  endedAtMs: z.number().nullable(),
  endState: z.enum(['all-new', 'all-old', 'mixed']).nullable(),
  failure: z.object({ code: z.string(), message: z.string(), hint: z.string() }).nullable(),
  supersededBy: z.number().nullable(),
})

export const statusBody = z.object({
  app: z.string(),
  environment: z.string(),
  engine: z.string(),
  router: z.string(),
  revision: z.number().nullable(),
  commit: z.string().nullable(),
  subject: z.string().nullable(),
  digest: z.string().nullable(),
  paused: z.boolean(),
  rollout: rolloutBody.nullable(),
  unattended: z
    .boolean()
    .describe(
      'The rollout is unfinished and no process carries it on: what answers only looks, from within a command.',
    ),
  preparing: z
    .array(
      z.object({
        operation: z.string(),
        station: z.string().nullable().describe('Null: it has only begun.'),
        note: z.string(),
      }),
    )
    .describe('What was asked for and is not a rollout yet: it is fetched, or built.'),
  lastRollout: rolloutBody.nullable(),
  back: z.number().nullable().describe('The revision that a rollback goes to when none is named; null: there is none.'),
  routes: z.array(z.object({ role: z.string(), url: z.string() })),
  roles: z.array(role),
  replicas: z.array(replica),
  notes: z.array(z.string()),
})

/** One line of the history: a rollout with what it moved to. */
export const historyBody = z.object({
  rollouts: z.array(
    rolloutBody.extend({
      commit: z.string().nullable(),
      subject: z.string().nullable(),
      digest: z.string().nullable(),
      lost: z.number().nullable().describe('Of the receipt; null: not measured.'),
      sent: z.number().nullable(),
      tookMs: z
        .number()
        .nullable()
        .describe("From the user's command to the end, as in the receipt; null: there is none."),
    }),
  ),
})

export const appsBody = z.object({
  apps: z.array(z.object({ app: z.string(), environment: z.string(), revision: z.number().nullable() })),
})

const changed = <T extends z.ZodType>(of: T) => z.object({ from: of, to: of })
const commit = z.object({ commit: z.string().nullable(), subject: z.string().nullable() })
const resized = changed(z.number()).extend({ role: z.string() })

/** In what a release would differ from the one that should run now. */
const releaseChanges = z.object({
  source: changed(commit).nullable(),
  image: z
    .object({
      from: z.string().describe('Its digest.'),
      to: z.string().nullable().describe('A digest or a reference; null: it is built from the commit.'),
    })
    .nullable(),
  settings: z
    .array(changed(z.string().nullable()).extend({ path: z.string() }))
    .describe("In naru.yaml's words, values as JSON; null: not there."),
  secrets: z.array(changed(z.number().nullable()).extend({ name: z.string() })).describe('Versions; null: not used.'),
  replicas: z.array(resized).describe('Wanted replicas by role; a deploy forgets what was scaled by hand.'),
})

/** What a deploy would do. */
export const planBody = z.object({
  app: z.string(),
  environment: z.string(),
  changes: releaseChanges.nullable().describe('Null: nothing should run now that it could be compared with.'),
  commit: z.string().nullable(),
  subject: z.string().nullable(),
  from: z.number().nullable(),
  to: z.number().describe('The revision number that the deploy would get.'),
  isChanged: z
    .boolean()
    .describe('Whether anything would differ from what should run: commit, image, settings, secrets or replicas.'),
  steps: z.array(z.object({ step: z.string(), cause: z.string() })),
  fewestAvailable: z.number().nullable().describe('Null: nothing runs before.'),
  replicas: z.number(),
  replicasBefore: z.number().nullable().describe('Wanted before; null: nothing should run now.'),
  notes: z.array(z.string()),
  fingerprint: z.object({ inputs: z.string(), observed: z.string() }),
  /** What `--plan` must repeat. */
  fixed: z.object({ ref: z.string().nullable(), image: z.string().nullable(), revision: z.number().nullable() }),
})

export const secretsBody = z.object({
  secrets: z.array(z.object({ name: z.string(), version: z.number(), setAtMs: z.number(), setBy: z.string() })),
})
export const secretBody = z.object({ name: z.string(), version: z.number() })
export const imagesBody = z.object({ images: z.array(z.object({ repository: z.string(), tags: z.array(z.string()) })) })
/** What was deleted, or would be. */
export const pruneBody = z.object({
  dryRun: z.boolean(),
  freedBytes: z.number(),
  registry: z.object({ manifests: z.number(), blobs: z.number(), bytes: z.number() }),
  buildCache: z.object({
    entries: z.number(),
    bytes: z.number(),
    inUse: z.boolean().describe('A build runs: the build cache stayed as it is.'),
  }),
})
export const baseImageBody = z.object({ reference: z.string(), digest: z.string(), size: z.number() })
export const serverBody = z.object({
  version: z.string(),
  pid: z.number().describe('On its machine: naru server --end sends SIGTERM to it.'),
  node: z.string(),
  engine: z.string(),
  isolation: z.string(),
  isolationWhy: z.array(z.string()).describe('Why each stronger one was not taken.'),
  limits: z.array(z.enum(['cpu', 'memory'])).describe('What replicas can be held to.'),
  router: z.string(),
  folder: z.string(),
  inside: z.boolean().describe('It lives in the process of a command, and ends with it.'),
  onDemand: z.boolean().describe('A command started it, and the next one does so again.'),
  notes: z.array(z.string()),
})

export type ErrorBody = z.infer<typeof errorBody>
export type SourceBody = z.infer<typeof sourceBody>
export type OperationBody = z.infer<typeof operationBody>
export type RolloutBody = z.infer<typeof rolloutBody>
export type StatusBody = z.infer<typeof statusBody>
export type HistoryBody = z.infer<typeof historyBody>
export type PlanBody = z.infer<typeof planBody>
export type SecretsBody = z.infer<typeof secretsBody>
export type ImagesBody = z.infer<typeof imagesBody>
export type PruneBody = z.infer<typeof pruneBody>
export type BaseImageBody = z.infer<typeof baseImageBody>
export type ServerBody = z.infer<typeof serverBody>
