/** How long an answer asks us to wait, in ms: seconds or a date (RFC 9110 section 10.2.3), or the Unix time that some registries write there. */
export function retryAfterMs(text: string | undefined, nowMs: number): number | null {
  if (text === undefined || text.length > 100) return null
  const seconds = /^\s*([0-9]{1,12})\s*$/.exec(text)?.[1]
  if (seconds !== undefined) {
    // So many seconds would be 30 years: a point in time is meant.
    const value = Number(seconds) * 1000
    return value < 1e12 ? value : Math.max(0, value - nowMs)
  }
  const date = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs)
}

/** What a registry says of its limit in the headers of Docker Hub and those that follow it: `ratelimit-limit: 100;w=21600`. */
export interface RateLimit {
  readonly limit: number | null
  readonly remaining: number | null
  readonly windowSeconds: number | null
  /** Whom it counts: an address or a user. */
  readonly source: string | null
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

export function rateLimit(headers: Headers): RateLimit {
  const text = (name: string) => [headers[name] ?? headers[`x-${name}`] ?? ''].flat().join(' ')
  const limit = counted(text('ratelimit-limit'))
  const remaining = counted(text('ratelimit-remaining'))
  const source = text('docker-ratelimit-source')
  return {
    limit: limit.count,
    remaining: remaining.count,
    windowSeconds: limit.windowSeconds ?? remaining.windowSeconds,
    source: /^[\w.:-]{1,64}$/.test(source) ? source : null,
  }
}

function counted(text: string): { count: number | null; windowSeconds: number | null } {
  const [, count, window] = /^\s*([0-9]{1,9})(?:\s*;.*?\bw=([0-9]{1,9}))?/.exec(text) ?? []
  return {
    count: count === undefined ? null : Number(count),
    windowSeconds: window === undefined ? null : Number(window),
  }
}

/** "limit 100 in 6 h, 0 left, counted for 192.0.2.7", or null where nothing is said. */
export function rateLimitText({ limit, remaining, windowSeconds, source }: RateLimit): string | null {
  const parts = [
    ...(limit === null ? [] : [`limit ${limit}${windowSeconds === null ? '' : ` in ${durationText(windowSeconds)}`}`]),
    ...(remaining === null ? [] : [`${remaining} left`]),
    ...(source === null ? [] : [`counted for ${source}`]),
  ]
  return parts.length === 0 ? null : parts.join(', ')
}

/** 90 → "90 s", 21600 → "6 h". */
export function durationText(seconds: number): string {
  if (seconds >= 7200) return `${Math.round(seconds / 360) / 10} h`
  return seconds >= 120 ? `${Math.round(seconds / 6) / 10} min` : `${Math.ceil(seconds)} s`
}
