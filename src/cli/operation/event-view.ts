import type { Event } from '../../model/event.ts'
import type { FailureReport } from '../../model/failure.ts'
import type { Output } from '../output.ts'
import type { Session } from '../session.ts'
import { eventLine } from '../show/event-line.ts'
import { failureLines } from '../show/failure.ts'
import { printable } from '../show/printable.ts'
import { receiptText } from '../show/receipt.ts'
import { EMPTY_SCENE, nextScene, sceneLines } from '../show/scene.ts'
import { Screen } from './screen.ts'

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
      for (const line of failureLines(this.#failure, output.paintTold)) output.insist(line)
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
    if (!isInFoot(event) || this.#session.output.verbose) this.#plain.show(event)
    if (event.kind !== 'end') this.#draw()
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
  return event.kind === 'build' || event.kind === 'push' || event.kind === 'step'
}
