import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Deadlines } from './deadlines.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('ends what has had its time, an eighth of it later at most, and nothing else', () => {
  const expired: string[] = []
  const deadlines = new Deadlines<string>(800, (one) => expired.push(one))
  deadlines.add('a')
  deadlines.add('gone')
  vi.advanceTimersByTime(400)
  deadlines.add('b')
  deadlines.delete('gone')
  vi.advanceTimersByTime(399)
  expect(expired).toEqual([])
  vi.advanceTimersByTime(101)
  expect(expired).toEqual(['a'])
  vi.advanceTimersByTime(400)
  expect(expired).toEqual(['a', 'b'])
  expect(vi.getTimerCount()).toBe(0)
})

it('begins anew for one that is added again', () => {
  const expired: string[] = []
  const deadlines = new Deadlines<string>(800, (one) => expired.push(one))
  deadlines.add('a')
  vi.advanceTimersByTime(700)
  deadlines.add('a')
  vi.advanceTimersByTime(700)
  expect(expired).toEqual([])
  vi.advanceTimersByTime(200)
  expect(expired).toEqual(['a'])
})
