import { expect, it } from 'vitest'
import { BackOff } from './back-off.ts'
import { StillClock } from './testing.ts'

const RULE = { free: 3, firstMs: 1000, mostMs: 60_000 }

it('costs nothing at first, then doubles up to its most', () => {
  const backOff = new BackOff(RULE, new StillClock())
  const waits = Array.from({ length: 11 }, () => {
    backOff.charge('kim')
    return backOff.waitMs('kim')
  })
  expect(waits).toEqual([0, 0, 0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
  expect(backOff.waitMs('lee')).toBe(0)
})

it('is over when its time has come, and stricter with the next failure', () => {
  const clock = new StillClock()
  const backOff = new BackOff(RULE, clock)
  for (let failure = 0; failure < 5; failure++) backOff.charge('kim')
  clock.move(1999)
  expect(backOff.waitMs('kim')).toBe(1)
  clock.move(1)
  expect(backOff.waitMs('kim')).toBe(0)
  backOff.charge('kim')
  expect(backOff.waitMs('kim')).toBe(4000)
})

it('begins anew when it is told so, and after half an hour', () => {
  const clock = new StillClock()
  const backOff = new BackOff(RULE, clock)
  for (const [key, end] of [
    ['kim', () => backOff.forget('kim')],
    ['lee', () => clock.move(30 * 60_000)],
  ] as const) {
    for (let failure = 0; failure < 9; failure++) backOff.charge(key)
    expect(backOff.waitMs(key)).toBe(32_000)
    end()
    backOff.charge(key)
    expect(backOff.waitMs(key)).toBe(0)
  }
})

it('takes back what was right', () => {
  const backOff = new BackOff(RULE, new StillClock())
  for (let attempt = 0; attempt < 50; attempt++) {
    backOff.charge('kim')
    backOff.refund('kim')
  }
  expect(backOff.waitMs('kim')).toBe(0)
})

it('keeps no more than it may of keys that nobody comes back with', () => {
  const backOff = new BackOff({ ...RULE, free: 0 }, new StillClock())
  for (let key = 0; key < 30_000; key++) backOff.charge(String(key))
  expect(backOff.waitMs('0')).toBe(0)
  expect(backOff.waitMs('29999')).toBe(1000)
})
