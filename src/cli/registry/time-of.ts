import { InvalidArgumentError } from 'commander'

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `30s`, `5m`, `12h`, `14d` in ms; null: the text is none of these. */
export function parseTime(text: string): number | null {
  const [, amount = '', unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  return amount === '' ? null : Number(amount) * (UNITS[unit] ?? Number.NaN)
}

/** The same for an option of the command line. */
export function timeOf(text: string): number {
  const ms = parseTime(text)
  if (ms !== null) return ms
  throw new InvalidArgumentError('Write a time, such as 30s, 5m, 12h or 14d.')
}
