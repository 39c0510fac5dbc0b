import type { Release } from '../../model/release.ts'
import type { Rollout } from '../../model/rollout.ts'
import { lastAllNew } from '../../plan/plan-rollback.ts'
import type { EnvironmentState } from '../environment/environment-state.ts'
import type { EventStream, Redact } from '../event-stream.ts'
import type { Place } from '../place.ts'
import { ActiveRollout } from './active-rollout.ts'
import { aim } from './aim.ts'
import { endSuperseded } from './end-rollout.ts'
import { HISTORY, newRollout, type RollRequest } from './new-rollout.ts'
import { scaleBefore } from './scale-before.ts'

/** Remembers a new rollout; the one under way ends as superseded by it. */
export async function beginRollout(
  place: Place,
  state: EnvironmentState,
  request: RollRequest,
  superseded: ActiveRollout | null,
): Promise<ActiveRollout> {
  const { token } = await state.lease()
  const to =
    typeof request.to === 'number' ? await state.release(request.to) : await place.memory.addRelease(request.to, token)
  const history = await place.memory.rollouts(state.scope, HISTORY)
  const from = superseded === null ? lastAllNew(history) : superseded.rollout.from
  // What going back means is written down first: after a crash nobody else knows it.
  const before = { kind: request.kind, from, desired: state.desired, superseded: superseded?.rollout ?? null, history }
  const way = { to: to.revision, from, scaleBefore: scaleBefore(before) }
  const rollout = await place.memory.addRollout(newRollout(state.scope, request, way, place.clock.now()), token)
  request.stream.rollout = rollout.id
  if (superseded !== null) await endSuperseded(superseded, state, rollout.id)
  return activeRollout(place, state, rollout, request.stream)
}

/**
 * Goes on with what an earlier process left; null: nothing. Of several unfinished rollouts the last one goes on: a process was
 * killed between remembering it and ending the one before.
 */
export async function resumeRollout(
  place: Place,
  state: EnvironmentState,
  open: (operation: string) => Promise<EventStream>,
): Promise<ActiveRollout | null> {
  const unfinished = (await place.memory.rollouts(state.scope, HISTORY)).filter(({ phase }) => phase !== 'Done')
  const [last, ...older] = await Promise.all(unfinished.map((rollout) => adopt(place, state, rollout, open)))
  if (last === undefined) return null
  for (const rollout of older.reverse()) await endSuperseded(rollout, state, last.rollout.id)
  last.stream.report({ kind: 'note', message: `a new process goes on with the rollout to revision ${last.rollout.to}` })
  if (last.rollout.phase !== 'Preparing') await aim(last, state, 'resumed')
  return last
}

async function adopt(
  place: Place,
  state: EnvironmentState,
  rollout: Rollout,
  open: (operation: string) => Promise<EventStream>,
): Promise<ActiveRollout> {
  const stream = await open(rollout.operation)
  stream.rollout = rollout.id
  const active = await activeRollout(place, state, rollout, stream)
  // It was interrupted, which ended its operation: who asks for the rollout now is told of the new one.
  if (stream.operation !== rollout.operation) await active.save(state, { operation: stream.operation })
  return active
}

async function activeRollout(
  place: Place,
  state: EnvironmentState,
  rollout: Rollout,
  stream: EventStream,
): Promise<ActiveRollout> {
  const to = await state.release(rollout.to)
  const from = rollout.from === null ? null : await state.find(rollout.from)
  stream.redact = await redactorOf(place, from === null ? [to] : [to, from])
  return new ActiveRollout(place, rollout, { to, from }, stream)
}

/** Before a replica of either release can say anything: no value of their secrets may get into an event, a record or a receipt. */
async function redactorOf({ memory, redactor }: Place, releases: readonly Release[]): Promise<Redact> {
  // A key that opens nothing fails the first start, which says so.
  const opened = await Promise.all(
    releases.map((release) => memory.openSecrets(release, release.secrets).catch(() => ({}))),
  )
  return redactor(opened.flatMap((values) => Object.values<string>(values)))
}
