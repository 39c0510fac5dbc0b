import { DeployError } from '../../model/failure.ts'
import { parseTime } from './time-of.ts'

/** When something ends that was given as `90d`, `12h`, `30m` or a day, which ends with it (UTC); null: `never`. Throws USAGE_INVALID. */
export function expiryOf(text: string, nowMs: number): number | null {
  if (text === 'never') return null
  const ms = parseTime(text)
  if (ms !== null && ms > 0) return nowMs + ms
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T23:59:59.999Z`) : Number.NaN
  if (day > nowMs) return day
  throw new DeployError(
    'USAGE_INVALID',
    `--expires ${JSON.stringify(text)} is ${Number.isNaN(day) ? 'no time' : 'over already'}`,
    { hint: 'Write a time from now, 90d, 12h or 30m, the last day, 2027-01-31, or never.' },
  )
}
