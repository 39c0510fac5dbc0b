import type { ErrorBody } from '../../api/responses.ts'
import type { FailureReport } from '../../model/failure.ts'
import { type Paint, PLAIN } from './paint.ts'

type Shown = Pick<FailureReport, 'code' | 'message' | 'hint'>

/** The one form of an error: `error CODE: message`, then what to do, indented. */
export function failureLines({ code, message, hint }: Shown, paint: Paint = PLAIN): string[] {
  const [first = '', ...more] = message.split('\n')
  return [`${paint.bad(`error ${code}:`)} ${first}`, ...more.map(indented), ...hint.split('\n').map(indented)]
}

/** The same as one document, for `--output json`. */
export const failureBody = ({ code, message, hint, detail }: FailureReport): ErrorBody => ({
  errors: [{ code, message, hint, detail: { ...detail } }],
})

const indented = (line: string): string => `  ${line}`
