import type { DoctorLine } from '../host.ts'
import { padEnd } from './columns.ts'
import type { Paint } from './paint.ts'

const CHECK_WIDTH = 12
const STATES: Readonly<Record<DoctorLine['state'], string>> = { ok: 'ok', warning: 'warn', failed: 'FAIL' }

/** One finding, and below it what to do. */
export function doctorText({ check, state, found, fix }: DoctorLine, paint: Paint): string[] {
  const colour = { ok: paint.good, warning: paint.warn, failed: paint.bad }[state]
  const mark = colour(STATES[state].padEnd(4))
  const lines = [`${mark}  ${padEnd(check, CHECK_WIDTH)} ${found}`]
  return fix === null ? lines : [...lines, `      ${' '.repeat(CHECK_WIDTH)} fix: ${fix}`]
}
