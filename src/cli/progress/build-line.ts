import type { Event } from '../../model/event.ts'
import { cutToWidth, padEnd } from '../show/columns.ts'
import type { Paint } from '../show/paint.ts'

export type BuildEvent = Extract<Event, { kind: 'build' }>
export type LogEvent = Extract<Event, { kind: 'log' }>

/** `[deps 2/5] RUN npm ci`; a Dockerfile with one stage has no name for it. */
export function buildStep({ stage, step, steps, instruction }: BuildEvent): string {
  return `[${stage === '' ? '' : `${stage} `}${step}/${steps}] ${instruction}`
}

/** `#4 [deps 2/5] RUN npm ci`, later `#4 CACHED`, `#4 DONE 1.2s`, `#4 ERROR 0.3s`: as BuildKit's plain progress. */
export function buildLine(event: BuildEvent): string {
  const { state, number, cached, tookMs } = event
  if (state === 'started') return `  #${number} ${buildStep(event)}`
  if (state === 'finished') return `  #${number} ${cached ? 'CACHED' : `DONE ${secondsText(tookMs)}`}`
  return `  #${number} ${state === 'failed' ? 'ERROR' : 'CANCELED'} ${secondsText(tookMs)}`
}

/** `#4 0.512 added 3 packages`, `web-2-1 | boom`. */
export function logLine({ from, line, step }: LogEvent): string {
  return step === undefined ? `  ${from} | ${line}` : `  #${step.number} ${offsetText(step.afterMs)} ${line}`
}

/** ` => CACHED [deps 2/5] RUN npm ci        0.0s`: a step that has ended, as wide as the terminal. */
export function endedStep(event: BuildEvent, width: number, paint: Paint): string {
  const { state, cached, tookMs } = event
  const word = state === 'finished' ? (cached ? 'CACHED ' : '') : state === 'failed' ? 'ERROR ' : 'CANCELED '
  const line = timedLine(` => ${word}${buildStep(event)}`, tookMs, width)
  if (state === 'failed') return paint.bad(line)
  return cached || state === 'canceled' ? paint.dim(line) : line
}

/** The time stands at the right edge; what leaves no room for it is cut. */
export function timedLine(text: string, tookMs: number, width: number): string {
  const time = ` ${secondsText(tookMs)}`
  const room = width - time.length
  return room < time.length ? cutToWidth(text, width) : `${padEnd(cutToWidth(text, room), room)}${time}`
}

/** The whole log of a step that failed: `leftOut` lines at its beginning were too many to be kept. */
export function failedLog(event: BuildEvent, lines: readonly string[], leftOut: number): string[] {
  if (lines.length === 0) return []
  const more = leftOut === 0 ? [] : [`… ${leftOut} lines before these`]
  return ['------', ` > ${buildStep(event)}:`, ...more, ...lines, '------']
}

/** `12.3s`. */
const secondsText = (ms: number): string => `${(ms / 1000).toFixed(1)}s`

/** `0.512`: seconds since the step began. */
export const offsetText = (ms: number): string => (ms / 1000).toFixed(3)
