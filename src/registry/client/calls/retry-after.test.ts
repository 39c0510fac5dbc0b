import { expect, it } from 'vitest'
import { durationText, rateLimit, rateLimitText, retryAfterMs } from './retry-after.ts'

const now = Date.parse('2026-11-23T18:00:00Z')

it.each([
  ['7', 7000],
  [' 0 ', 0],
  ['Mon, 23 Nov 2026 18:01:00 GMT', 60_000],
  ['Mon, 23 Nov 2026 17:00:00 GMT', 0],
  [String(now / 1000 + 90), 90_000],
  [undefined, null],
  ['', null],
  ['-5', null],
  ['soon', null],
  ['9'.repeat(200), null],
])('Retry-After %j means %j ms', (text, expected) => {
  expect(retryAfterMs(text, now)).toBe(expected)
})

it.each([
  [
    { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '0;w=21600', 'docker-ratelimit-source': '192.0.2.7' },
    'limit 100 in 6 h, 0 left, counted for 192.0.2.7',
  ],
  [{ 'x-ratelimit-limit': '60', 'x-ratelimit-remaining': '3' }, 'limit 60, 3 left'],
  [{ 'ratelimit-limit': '\u001b[31m', 'docker-ratelimit-source': 'a b\n' }, null],
  [{}, null],
])('the limit in %j is told as %j', (headers, expected) => {
  expect(rateLimitText(rateLimit(headers))).toBe(expected)
})

it.each([
  [7, '7 s'],
  [90, '90 s'],
  [150, '2.5 min'],
  [21600, '6 h'],
])('%d seconds are %s', (seconds, expected) => {
  expect(durationText(seconds)).toBe(expected)
})
