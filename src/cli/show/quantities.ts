/** `420 ms`, `6.2 s`, `2 min 5 s`, `3 h 10 min`, `4 d 2 h`. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return twoParts(seconds, 60, 'min', 1, 's')
  if (seconds < 86_400) return twoParts(seconds, 3600, 'h', 60, 'min')
  return twoParts(seconds, 86_400, 'd', 3600, 'h')
}

function twoParts(seconds: number, big: number, bigUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((seconds % big) / small)
  return `${Math.floor(seconds / big)} ${bigUnit}${rest === 0 ? '' : ` ${rest} ${smallUnit}`}`
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** `0 B`, `9.5 KiB`, `120 MiB`. */
export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`
}

/** `1,860`. */
export const countText = (count: number): string => count.toLocaleString('en-US')

/** `2026-11-23 15:50:12` in the user's time zone. */
export function timeText(atMs: number): string {
  const at = new Date(atMs)
  const two = (part: number) => String(part).padStart(2, '0')
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

/** `sha256:51c0a3f2…`: enough to recognise it. */
export const shortDigest = (digest: string): string => {
  const [algorithm = '', hex = ''] = digest.split(':')
  return `${algorithm}:${hex.slice(0, 8)}…`
}

/** `9f2c1ab "Faster search"`; an image without a commit has neither. */
export function commitText(commit: string | null, subject: string | null): string | null {
  if (commit === null) return null
  return subject === null || subject === '' ? commit.slice(0, 7) : `${commit.slice(0, 7)} "${subject}"`
}
