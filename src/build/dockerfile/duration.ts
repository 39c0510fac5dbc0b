const NANOSECONDS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 }

/** Nanoseconds of a duration as Go writes it (`1m30s`, `500ms`), or null. */
export function parseDuration(text: string): number | null {
  if (text === '0') return 0
  if (!/^(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return null
  const parts = text.matchAll(/([0-9.]+)(ns|us|µs|ms|s|m|h)/g)
  return Math.round(
    [...parts].reduce((sum, [, count, unit]) => sum + Number(count) * (NANOSECONDS[unit ?? ''] ?? 0), 0),
  )
}
