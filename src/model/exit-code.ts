import { FAILURES, type FailureReport } from './failure.ts'
import type { EndState } from './rollout.ts'

/** How an operation ended, as far as its exit code depends on it. */
export interface Ending {
  readonly endState: EndState | null
  readonly failure: FailureReport | null
  readonly superseded: boolean
  /** Whether a replica may have been touched. */
  readonly touched: boolean
}

/**
 * 0 done, 7 failed and all-old, 8 failed and mixed, 11 superseded; before anything was touched the failure's own code
 * (10 refused, 3 file, 4 credentials …). After `onFailure: continue` the end state rules (design.md 9a).
 */
export function exitCode({ endState, failure, superseded, touched }: Ending): number {
  if (superseded) return FAILURES.ROLLOUT_SUPERSEDED.exit
  if (!touched || endState === null) return failure === null ? 0 : FAILURES[failure.code].exit
  if (endState === 'all-new') return 0
  return endState === 'all-old' ? 7 : 8
}
