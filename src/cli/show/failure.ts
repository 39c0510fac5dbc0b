import type { ErrorBody } from '../../api/responses.ts'
import { FAILURES, type FailureCode, type FailureReport } from '../../model/failure.ts'
import { stripVTControlCharacters } from 'node:util'
import { type Paint, PLAIN } from './paint.ts'

type Shown = Pick<FailureReport, 'code' | 'message' | 'hint'>

/** The one form of an error: `error CODE: message`, then what to do, indented. */
export function failureLines({ code, message, hint }: Shown, paint: Paint = PLAIN): string[] {
  const [first = '', ...more] = message.split('\n')
  return [`${paint.bad(`error ${code}:`)} ${first}`, ...more.map(indented), ...hint.split('\n').map(indented)]
}

/** Without the lines of a program's output at the end of its message, where they were shown before. */
export function withoutLog(failure: FailureReport): FailureReport {
  const { lastLines } = failure.detail
  if (typeof lastLines !== 'number' || lastLines === 0) return failure
  const kept = failure.message.split('\n').slice(0, -lastLines)
  return { ...failure, message: kept.join('\n').replace(/; its last lines:$/, '') }
}

/** The last failure in what a program of ours wrote; null: there is none. */
export function readFailure(text: string): Shown | null {
  const lines = stripVTControlCharacters(text).split('\n')
  const at = lines.findLastIndex((line) => TOLD.test(line))
  const [, code = '', first = ''] = TOLD.exec(lines[at] ?? '') ?? []
  if (!Object.hasOwn(FAILURES, code)) return null
  const rest = lines.slice(at + 1)
  const end = rest.findIndex((line) => !line.startsWith('  '))
  const told = (end < 0 ? rest : rest.slice(0, end)).map((line) => line.slice(2))
  return { code: code as FailureCode, message: [first, ...told.slice(0, -1)].join('\n'), hint: told.at(-1) ?? '' }
}

const TOLD = /^error ([A-Z_]+): (.*)$/

/** The same as one document, for `--output json`. */
export const failureBody = ({ code, message, hint, detail }: FailureReport): ErrorBody => ({
  errors: [{ code, message, hint, detail: { ...detail } }],
})

const indented = (line: string): string => `  ${line}`
