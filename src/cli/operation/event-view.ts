import type { Event } from '../../model/event.ts'
import type { FailureReport } from '../../model/failure.ts'
import type { Output } from '../output.ts'
import type { Session } from '../session.ts'
import { eventLine } from '../progress/event-line.ts'
import { type BuildEvent, endedStep, type LogEvent } from '../progress/build-line.ts'
import { failureLines, withoutLog } from '../show/failure.ts'
import { printable } from '../show/printable.ts'
import { receiptText } from '../show/receipt.ts'
import { EMPTY_SCENE, nextScene, sceneLines } from '../progress/scene.ts'
import { Screen } from './screen.ts'
import { StepLogs } from '../progress/step-logs.ts'

/** Where the events of an operation are shown. */
export interface EventView {
  show(event: Event): void
  /** Leaves the terminal as it was. */
  close(): void
}

/** JSON lines, a live view where a person looks, else plain lines. */
export function openEventView(session: Session): EventView {
  const { output } = session
  if (output.json) return { show: (event) => output.object(event), close: () => {} }
  if (output.isLive) return new LiveView(session)
  return new PlainView(output, (line) => output.tell(line))
}

const LAST_LOG_LINES = 20

/** A line for each event that says something; at the end the failure, below its last log lines, and the receipt. */
class PlainView implements EventView {
  readonly #output: Output
  readonly #tell: (line: string) => void
  #failure: FailureReport | null = null
  #announced = false
  #isLogShown = false
  /** What the failed replica wrote last: shown above its failure. */
  readonly #lastWords: string[] = []

  constructor(output: Output, tell: (line: string) => void) {
    this.#output = output
    this.#tell = tell
  }

  show(told: Event): void {
    const event = printable(told)
    const { verbose } = this.#output
    if (event.kind === 'failure') this.#fail(event.failure)
    else if (event.kind === 'end') this.#end(event)
    else if (event.kind === 'log' && this.#failure !== null) this.#lastWords.push(eventLine(event) ?? '')
    else {
      const line = eventLine(event, verbose)
      if (line === null) return
      this.#announce()
      this.#tell(line)
    }
  }

  close(): void {}

  /** The whole log of the step that failed stands above: its end need not be told with the failure. */
  logIsShown(): void {
    this.#isLogShown = true
  }

  #fail(failure: FailureReport): void {
    if (this.#failure?.code === failure.code && this.#failure.message === failure.message) return
    this.#failure = failure
    this.#announced = false
  }

  /** What goes on after a failure, such as going back, is told below it. At the end it is told whole, once. */
  #announce(): void {
    if (this.#failure === null || this.#announced) return
    this.#announced = true
    const [first = ''] = this.#failure.message.split('\n')
    this.#tell(this.#output.paintTold.bad(`failed   ${first}`))
  }

  #end({ exit, receipt, digest }: Extract<Event, { kind: 'end' }>): void {
    const output = this.#output
    if (this.#failure !== null && exit !== 0) {
      for (const line of this.#lastWords.slice(-LAST_LOG_LINES)) output.insist(line)
      const failure = this.#isLogShown ? withoutLog(this.#failure) : this.#failure
      for (const line of failureLines(failure, output.paintTold)) output.insist(line)
    }
    if (receipt !== null) for (const line of receiptText(receipt, output.width, output.paint)) output.data(line)
    else if (exit === 0 && digest !== null) output.data(digest)
  }
}

const REDRAW_MS = 100

/** The same lines without the small steps, above a foot that shows where it stands. */
class LiveView implements EventView {
  readonly #session: Session
  readonly #screen = new Screen(process.stderr)
  readonly #plain: PlainView
  readonly #timer: NodeJS.Timeout
  readonly #logs = new StepLogs()
  #scene = EMPTY_SCENE

  constructor(session: Session) {
    this.#session = session
    this.#plain = new PlainView(session.output, (line) => this.#screen.print(line))
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS)
    this.#timer.unref()
  }

  show(event: Event): void {
    this.#scene = nextScene(this.#scene, printable(event))
    if (event.kind === 'end') this.close()
    if (event.kind === 'build' || (event.kind === 'log' && event.step !== undefined))
      this.#showBuilding(printable(event))
    else if (!isInFoot(event) || this.#session.output.verbose) this.#plain.show(event)
    // Output may come in thousands of lines: the timer draws it.
    if (event.kind !== 'end' && event.kind !== 'log') this.#draw()
  }

  /** A step that ended is a line that stays; the end of its output is in the foot, and all of it stays when it failed. */
  #showBuilding(event: BuildEvent | LogEvent): void {
    const { paintTold, verbose } = this.#session.output
    if (verbose) this.#plain.show(event)
    else if (event.kind === 'log') this.#logs.keep(event)
    else if (event.state !== 'started') {
      const log = this.#logs.end(event)
      if (log.length > 0) this.#plain.logIsShown()
      this.#screen.print([endedStep(event, this.#screen.size.width, paintTold), ...log].join('\n'))
    }
  }

  close(): void {
    clearInterval(this.#timer)
    this.#screen.close()
  }

  #draw(): void {
    const { clock, output } = this.#session
    this.#screen.draw(sceneLines(this.#scene, clock.now(), this.#screen.size, output.paintTold))
  }
}

/** What the foot shows as it passes. A replica that exits is worth a line that stays. */
function isInFoot(event: Event): boolean {
  if (event.kind === 'station') return event.state === 'started'
  if (event.kind === 'replica') return event.change === 'ready' || event.change === 'exited with code 0'
  if (event.kind === 'image') return event.state !== 'here'
  return event.kind === 'push' || event.kind === 'step'
}
