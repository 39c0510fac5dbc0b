import { createHash } from 'node:crypto'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { type PlanRequest, planRequest } from '../../api/requests.ts'
import { type PlanBody, planBody } from '../../api/responses.ts'
import { pinSecrets } from '../../deploy/artifact/draft-release.ts'
import { findSource } from '../../deploy/artifact/find-source.ts'
import { imageOf } from '../../deploy/artifact/make-artifact.ts'
import { previewDeploy } from '../../deploy/preview.ts'
import type { Commit, Intended, ReleaseChanges } from '../../deploy/release-changes.ts'
import type { AppReading } from '../../deploy/artifact/workshop.ts'
import { renderStepParts } from '../../deploy/step-text.ts'
import type { Report } from '../../model/event.ts'
import { DeployError } from '../../model/failure.ts'
import { appReader } from './app-reader.ts'
import type { ServerContext } from '../server-context.ts'

/** What a deploy would do. */
export const planRoutes =
  (context: ServerContext): FastifyPluginAsyncZod =>
  async (server) => {
    server.post(
      '/v1/plans',
      { schema: { summary: 'What a deploy would do', body: planRequest, response: { 200: planBody } } },
      (request) => planDeploy(context, request.body),
    )
  }

/** Throws PLAN_STALE when the inputs of a saved plan, or what runs, are not what they were. */
export async function checkFingerprint(
  context: ServerContext,
  request: PlanRequest,
  saved: PlanBody['fingerprint'],
): Promise<void> {
  const { fingerprint } = await planDeploy(context, request)
  const changed = [
    ...(fingerprint.inputs === saved.inputs ? [] : ['what would be released']),
    ...(fingerprint.observed === saved.observed ? [] : ['what runs']),
  ]
  if (changed.length === 0) return
  throw new DeployError('PLAN_STALE', `${changed.join(' and ')} changed since the plan was made`, {
    hint: 'Nothing was changed. Make a new one with: naru plan --save FILE.',
  })
}

async function planDeploy(context: ServerContext, request: PlanRequest): Promise<PlanBody> {
  const { control, signal } = context
  const intended = await whatIsMeant(context, request)
  const { settings: app } = intended
  const preview = await previewDeploy(control.place, app, intended, hash, signal)
  return {
    app: app.app,
    environment: app.environment,
    changes: preview.changes === null ? null : changesBody(preview.changes),
    commit: intended.source.commit,
    subject: intended.source.subject,
    from: preview.from?.revision ?? null,
    to: preview.to,
    isChanged: preview.isChanged,
    steps: preview.steps.map(renderStepParts),
    fewestAvailable: preview.fewestAvailable,
    replicas: preview.replicas,
    replicasBefore: preview.replicasBefore,
    notes: [...intended.notes, ...(await control.place.engine.notes())],
    fingerprint: preview.fingerprint,
    fixed: {
      ref: intended.source.commit,
      image: request.image === null ? null : intended.image,
      revision: request.revision,
    },
  }
}

const changesBody = ({ source, image, settings, secrets, replicas }: ReleaseChanges): PlanBody['changes'] => ({
  source: source === null ? null : { from: commitBody(source.from), to: commitBody(source.to) },
  image,
  settings: [...settings],
  secrets: [...secrets],
  replicas: [...replicas],
})

const commitBody = ({ commit, subject }: Commit) => ({ commit, subject })

interface Meant extends Intended {
  readonly notes: readonly string[]
}

async function whatIsMeant({ control, workshop, signal }: ServerContext, request: PlanRequest): Promise<Meant> {
  const reader = appReader(request, control.place.engine)
  const front = reader.front()
  const { image, revision } = request
  if (revision !== null) {
    const release = await control.release(front.app, revision)
    return { settings: release.settings, source: release.source, image: null, release, notes: [] }
  }
  const reading: AppReading = front
  const given = image ?? imageOf(front.app)
  if (given !== null) {
    await pinSecrets(control.place.memory, reading.app)
    const notes = [...reading.notes]
    const note: Report = (happening) => {
      if (happening.kind === 'note') notes.push(happening.message)
    }
    const pinned = await workshop.pinImage(given, note, signal)
    return { settings: reading.app, source: { commit: null, subject: null }, image: pinned, release: null, notes }
  }
  const found = await findSource(workshop, reader, request.source, signal)
  await pinSecrets(control.place.memory, found.app)
  return { settings: found.app, source: found.source, image: null, release: null, notes: found.notes }
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex')
