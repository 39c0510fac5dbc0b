import { expect, it } from 'vitest'
import { expiryOf } from './expiry.ts'

const NOW = Date.parse('2026-11-24T10:00:00Z')

it.each([
  ['30m', '2026-11-24T10:30:00.000Z'],
  ['12h', '2026-11-24T22:00:00.000Z'],
  ['90d', '2027-02-22T10:00:00.000Z'],
  ['2026-11-24', '2026-11-24T23:59:59.999Z'],
  ['2027-01-31', '2027-01-31T23:59:59.999Z'],
])('%s ends at %s', (text, end) => expect(new Date(expiryOf(text, NOW) ?? 0).toISOString()).toBe(end))

it.each([
  ['2026-11-23', 'over already'],
  ['0d', 'no time'],
  ['-1d', 'no time'],
  ['90', 'no time'],
  ['2027-13-01', 'no time'],
  ['tomorrow', 'no time'],
])('%s is %s', (text, message) => expect(() => expiryOf(text, NOW)).toThrow(message))

it('never is said by its word', () => expect(expiryOf('never', NOW)).toBeNull())
