import type { Event } from '../../model/event.ts'
import { type BuildEvent, failedLog, offsetText } from './build-line.ts'

/** Of one step; a log of more was read by nobody, and its end says what failed. */
const MOST_LINES = 20_000

interface Kept {
  readonly lines: string[]
  leftOut: number
}

/** The output of running build steps, where only its end is shown while they run: of one that fails, all of it is told. */
export class StepLogs {
  readonly #kept = new Map<number, Kept>()

  keep({ line, step }: Extract<Event, { kind: 'log' }>): void {
    if (step === undefined) return
    const kept = this.#kept.get(step.number) ?? { lines: [], leftOut: 0 }
    this.#kept.set(step.number, kept)
    kept.lines.push(`${offsetText(step.afterMs)} ${line}`)
    if (kept.lines.length < MOST_LINES * 2) return
    kept.leftOut += kept.lines.length - MOST_LINES
    kept.lines.splice(0, kept.lines.length - MOST_LINES)
  }

  /** The step has ended: its log, if it failed. */
  end(event: BuildEvent): readonly string[] {
    const { lines, leftOut } = this.#kept.get(event.number) ?? { lines: [], leftOut: 0 }
    this.#kept.delete(event.number)
    return event.state === 'failed' ? failedLog(event, lines, leftOut) : []
  }
}
