import type { Role, RolloutSettings } from '../../model/app.ts'
import type { Detail, FailureCode, FailureReport } from '../../model/failure.ts'
import type { ObservedReplica } from '../../model/observed.ts'

/** One new replica, with what it was told. */
export interface CauseInput {
  readonly replica: ObservedReplica
  readonly role: Role
  readonly startRetries: RolloutSettings['startRetries']
  readonly nowMs: number
}

/** An observation counts as proof after it held this long: several probes, and still within a second of being visible. */
export const SETTLED_MS = 500

/** `web-7-1 of revision 7 …` with where to look next. */
export function cause(
  code: FailureCode,
  input: CauseInput,
  what: string,
  hint: string,
  detail: Detail = {},
): FailureReport {
  const { id, role, revision } = input.replica
  return {
    code,
    message: `${id} ${what}`,
    hint: hint === '' ? `See why with: ${logsCommand(input)}.` : hint,
    detail: { replica: id, role, revision, ...detail },
  }
}

/** The command that shows what the replica wrote. */
export const logsCommand = ({ replica }: CauseInput): string =>
  `naru logs --role ${replica.role} --revision ${replica.revision}`
