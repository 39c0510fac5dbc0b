import type { Step } from '../model/step.ts'
import type { Simulation } from './simulate.ts'

/** A step for people: `start web-42-1 (1 of 3 of revision 42 missing)`. */
export function renderStep(step: Step): string {
  return `${step.kind}${objectOf(step)} (${step.cause})`
}

function objectOf(step: Step): string {
  switch (step.kind) {
    case 'prepare':
    case 'migrate':
    case 'roll':
      return ` revision ${step.revision}`
    case 'start':
    case 'admit':
    case 'drain':
    case 'stop':
    case 'remove':
      return ` ${step.replica}`
    case 'withdraw':
    case 'restore':
      return ` ${step.host}`
    case 'wait':
      return ''
    default:
      return step satisfies never
  }
}

/** A simulated plan for people, a step a line, and at the end what it costs. */
export function renderPlan({ steps, fewestAvailable, replicas, complete }: Simulation): string {
  const end = complete ? '' : '; it stops half way, because the rollout is paused'
  return [
    ...steps.map(renderStep),
    steps.length === 0 ? 'nothing to do' : `fewest available ${fewestAvailable} of ${replicas}${end}`,
  ].join('\n')
}
