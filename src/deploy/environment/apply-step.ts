import type { Report } from '../../model/event.ts'
import type { Step } from '../../model/step.ts'
import type { Order } from '../../engines/engine.ts'
import type { Place } from '../place.ts'

/** Carries out one step and reports it. It decides nothing: which call a step is stands in its kind. */
export async function applyStep(
  place: Place,
  step: Step,
  order: Order,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const began = place.clock.monotonic()
  const inFlight = await carryOut(place, step, order, report, signal)
  report({ kind: 'step', step, state: 'done', tookMs: Math.round(place.clock.monotonic() - began), inFlight })
}

/** Answers what was in flight, of a stop step. */
async function carryOut(
  { engine, router }: Place,
  step: Step,
  order: Order,
  report: Report,
  signal: AbortSignal,
): Promise<number | null> {
  const { scope, token } = order
  switch (step.kind) {
    case 'admit':
      await router.admit(scope, step, token, signal)
      return null
    case 'drain':
      await router.drain(scope, step.replica, token, signal)
      return null
    case 'stop': {
      // Asked again right before the signal: this is the number of the receipt (design.md 5, acknowledged drain (c)).
      const inFlight = await router.drain(scope, step.replica, token, signal)
      await engine.apply(step, order, report, signal)
      return inFlight
    }
    case 'remove':
      await router.remove(scope, step.replica, token, signal)
      await engine.apply(step, order, report, signal)
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
