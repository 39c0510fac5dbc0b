import { DeployError } from '../../model/failure.ts'

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** When something ends that was given as `90d`, `12h`, `30m` or a day, which ends with it (UTC). Throws USAGE_INVALID. */
export function expiryOf(text: string, nowMs: number): number {
  const [, amount = '', unit = ''] = /^([1-9][0-9]{0,5})([mhd])$/.exec(text) ?? []
  if (unit !== '') return nowMs + Number(amount) * (UNITS[unit] ?? 0)
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T23:59:59.999Z`) : Number.NaN
  if (day > nowMs) return day
  throw new DeployError(
    'USAGE_INVALID',
    `--expires ${JSON.stringify(text)} is ${Number.isNaN(day) ? 'no time' : 'over already'}`,
    { hint: 'Write a time from now, 90d, 12h or 30m, or the last day, 2027-01-31.' },
  )
}
