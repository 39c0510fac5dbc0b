import type { Report } from '../../model/event.ts'
import type { Step } from '../../model/step.ts'
import type { Order } from '../../engines/engine.ts'
import type { Place } from '../place.ts'

/** What the steps of one round share. */
export interface Round {
  readonly report: Report
  /** What was in flight at the targets that this round has drained, by replica: read when nothing new could come. */
  readonly drained: Map<string, number>
  readonly signal: AbortSignal
}

/** Carries out one step and reports it. It decides nothing: which call a step is stands in its kind. */
export async function applyStep(place: Place, step: Step, order: Order, round: Round): Promise<void> {
  const { report } = round
  const began = place.clock.monotonic()
  const inFlight = await carryOut(place, step, order, round)
  report({ kind: 'step', step, state: 'done', tookMs: Math.round(place.clock.monotonic() - began), inFlight })
}

/** Answers what was in flight, of a stop step. */
async function carryOut(
  { engine, router }: Place,
  step: Step,
  order: Order,
  { report, drained, signal }: Round,
): Promise<number | null> {
  const { scope, token } = order
  switch (step.kind) {
    case 'admit':
      await router.admit(scope, step, token, signal)
      return null
    case 'drain':
      drained.set(step.replica, await router.drain(scope, step.replica, token, signal))
      return null
    case 'stop': {
      // Right before the signal: this is the number of the receipt (design.md 5, acknowledged drain (c)). One that this very round
      // has drained was asked a moment ago.
      const inFlight = drained.get(step.replica) ?? (await router.drain(scope, step.replica, token, signal))
      await engine.apply(step, order, report, signal)
      return inFlight
    }
    case 'remove':
      // It gets no traffic and its process is gone: neither has to wait for the other.
      await Promise.all([router.remove(scope, step.replica, token, signal), engine.apply(step, order, report, signal)])
      return null
    case 'prepare':
    case 'migrate':
    case 'start':
    case 'roll':
      await engine.apply(step, order, report, signal)
      return null
    case 'withdraw':
    case 'restore':
    case 'wait':
      return null
    default:
      return step satisfies never
  }
}
