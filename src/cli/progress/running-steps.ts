import { buildStep, type BuildEvent, type LogEvent, timedLine } from './build-line.ts'
import { cutToWidth } from '../show/columns.ts'
import type { Paint } from '../show/paint.ts'

/** A step of a Dockerfile that is carried out now, as the foot of a terminal shows it. */
export interface RunningStep {
  readonly number: number
  readonly name: string
  readonly beganMs: number
  /** The newest of its output. */
  readonly lines: readonly string[]
}

/** As BuildKit. */
const MOST_LINES = 6

/** The running steps after one of them, or another, said something. */
export function nextSteps(steps: readonly RunningStep[], event: BuildEvent | LogEvent): readonly RunningStep[] {
  if (event.kind === 'log') return steps.map((step) => (step.number === event.step?.number ? said(step, event) : step))
  const { number } = event
  const others = steps.filter((step) => step.number !== number)
  if (event.state !== 'started') return others
  return [...others, { number, name: buildStep(event), beganMs: event.atMs, lines: [] }]
}

const said = (step: RunningStep, { line }: LogEvent): RunningStep =>
  line.trim() === '' ? step : { ...step, lines: [...step.lines, line].slice(-MOST_LINES) }

/** Each with its time, and below it the end of its output as far as there is room. */
export function stepLines(
  steps: readonly RunningStep[],
  nowMs: number,
  { width, height }: { readonly width: number; readonly height: number },
  paint: Paint,
): string[] {
  const room = Math.max(0, Math.floor((height - steps.length) / Math.max(1, steps.length)))
  return steps.flatMap(({ name, beganMs, lines }) => {
    const newest = room === 0 ? [] : lines.slice(-room)
    const told = newest.map((line) => paint.dim(cutToWidth(` => => # ${line}`, width)))
    return [timedLine(` => ${name}`, Math.max(0, nowMs - beganMs), width), ...told]
  })
}
