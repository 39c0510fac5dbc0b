import { InvalidArgumentError } from 'commander'

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `30s`, `5m`, `12h`, `14d` in ms. */
export function timeOf(text: string): number {
  const [, amount = '', unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const ms = Number(amount) * (UNITS[unit] ?? Number.NaN)
  if (amount !== '' && ms >= 0) return ms
  throw new InvalidArgumentError('Write a time, such as 30s, 5m, 12h or 14d.')
}
