import type { Event } from '../../model/event.ts'
import { DeployError } from '../../model/failure.ts'

/**
 * Holds back that an operation was interrupted before it was a rollout: where the server went with another command, that is no
 * end of ours, and it is asked for again.
 */
export class LostEnd {
  readonly #mayAsk: () => boolean
  #held: readonly Event[] = []

  /** `mayAsk`: whether what is lost by now may be asked for again. */
  constructor(mayAsk: () => boolean) {
    this.#mayAsk = mayAsk
  }

  /** The events to show now that this one has come; null: the operation is lost. */
  next(event: Event): readonly Event[] | null {
    if (event.kind === 'failure' && event.failure.code === 'INTERRUPTED' && event.rollout === null) {
      this.#held = [event]
      return []
    }
    if (event.kind === 'end' && this.#held.length > 0 && this.#mayAsk()) return null
    const shown = [...this.#held, event]
    this.#held = []
    return shown
  }
}

/** The server was killed before the first word of the operation was written down. */
export const isAskable = (failed: unknown): boolean =>
  failed instanceof DeployError && failed.code === 'ROLLOUT_NOT_FOUND'
