import type { Step } from '../model/step.ts'

/** A step for people and timelines: `start web-42-1`, `prepare r42`. */
export function stepText(step: Step): string {
  if ('replica' in step) return `${step.kind} ${step.replica}`
  if ('host' in step) return `${step.kind} ${step.host}`
  return 'revision' in step ? `${step.kind} r${step.revision}` : step.kind
}

export const renderStepParts = (step: Step): { step: string; cause: string } => ({
  step: stepText(step),
  cause: step.cause,
})
