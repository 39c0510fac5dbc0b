import { failureReport } from '../../model/failure.ts'
import type { EngineStep } from '../../model/step.ts'
import type { Order } from '../../engines/engine.ts'
import { abortFailure } from '../../plan/steer-rollout.ts'
import { applyStep } from '../environment/apply-step.ts'
import type { EnvironmentState } from '../environment/environment-state.ts'
import { mends, observe } from '../environment/round.ts'
import { type ActiveRollout, Interrupted } from './active-rollout.ts'
import { aim } from './aim.ts'
import { failPreparing } from './go-back.ts'
import { publishRoutes } from './publish-routes.ts'
import { tellWhatServes } from './what-serves.ts'

/** Everything before a replica is touched. False: it ended there. */
export async function prepareRollout(
  active: ActiveRollout,
  state: EnvironmentState,
  signal: AbortSignal,
): Promise<boolean> {
  const { rollout, to, stream, place } = active
  if (rollout.abortedBy !== null) {
    return !(await failPreparing(active, state, abortFailure(rollout)))
  }
  const isNew = rollout.kind === 'deploy'
  if (isNew || rollout.kind === 'rollback') {
    try {
      await layReady(active, state, signal)
    } catch (thrown) {
      if (active.isInterrupted) throw new Interrupted('the step was interrupted', { cause: thrown })
      if (signal.aborted || mends(thrown)) throw thrown
      return !(await failPreparing(active, state, failureReport(thrown)))
    }
  }
  const migrated = isNew && to.settings.migrate !== null
  const progressedAtMs = place.clock.now()
  await active.save(state, { phase: 'Progressing', migrated, progressedAtMs, progressReason: 'prepared' })
  await aim(active, state, 'begun')
  stream.report({ kind: 'station', station: 'rollout', state: 'started', note: `to revision ${rollout.to}` })
  return true
}

/**
 * The addresses are taken, the image is laid ready, migrate runs once. What it throws leaves the old release untouched. Safe
 * twice: migrate attaches to its first run.
 */
async function layReady(active: ActiveRollout, state: EnvironmentState, signal: AbortSignal): Promise<void> {
  const { place, rollout, to } = active
  const mayBeInterrupted = active.stepSignal(signal)
  const order = await state.orderFor(rollout.to)
  // Engine and router must both answer before anything is changed; an engine that keeps the router starts it for this.
  const seen = await observe(place, order.scope, signal)
  const { router } = seen
  await tellWhatServes(active, state, seen)
  await publishRoutes(active, state, router, signal)
  // Beside the preparation, so that what served before is measured too.
  active.probing.startWhenServing(router)
  const prepare = { kind: 'prepare', revision: rollout.to, cause: 'before anything is touched' } as const
  await atStation(active, order, 'prepare', `revision ${rollout.to}`, prepare, mayBeInterrupted)
  const { migrate } = to.settings
  if (rollout.kind !== 'deploy' || migrate === null || rollout.migrated) return
  const step = { kind: 'migrate', revision: rollout.to, cause: 'once, before any replica is replaced' } as const
  // Not to be interrupted: nobody knows what half a migration is, and a second one beside it is worse. It has its own time limit.
  await atStation(active, order, 'migrate', migrate.run.join(' '), step, signal)
}

async function atStation(
  { place, stream }: ActiveRollout,
  order: Order,
  station: 'prepare' | 'migrate',
  note: string,
  step: EngineStep,
  signal: AbortSignal,
): Promise<void> {
  const began = place.clock.monotonic()
  stream.report({ kind: 'station', station, state: 'started', note })
  await applyStep(place, step, order, { report: stream.report, drained: new Map(), signal })
  const tookMs = Math.round(place.clock.monotonic() - began)
  stream.report({ kind: 'station', station, state: 'finished', note, tookMs })
}
