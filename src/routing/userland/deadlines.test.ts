import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Deadlines } from './deadlines.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('ends what has had its time, an eighth of it later at most, and nothing else', () => {
  const expired: string[] = []
  const deadlines = new Deadlines<string>(800, (one) => expired.push(one))
  deadlines.add('a')
  const gone = deadlines.add('gone')
  vi.advanceTimersByTime(400)
  deadlines.add('b')
  gone.remove()
  vi.advanceTimersByTime(399)
  expect(expired).toEqual([])
  vi.advanceTimersByTime(101)
  expect(expired).toEqual(['a'])
  vi.advanceTimersByTime(400)
  expect(expired).toEqual(['a', 'b'])
  expect(vi.getTimerCount()).toBe(0)
})

it('may be used again after everything in it has ended', () => {
  const expired: string[] = []
  const deadlines = new Deadlines<string>(800, (one) => expired.push(one))
  for (const name of ['a', 'b', 'c']) {
    deadlines.add(name)
    deadlines.add('gone').remove()
    vi.advanceTimersByTime(799)
    expect(expired).not.toContain(name)
    vi.advanceTimersByTime(101)
    expect(expired).toContain(name)
    expect(vi.getTimerCount()).toBe(0)
  }
  expect(expired).toEqual(['a', 'b', 'c'])
})

it('is not confused by what ends another, or begins anew', () => {
  const expired: string[] = []
  const deadlines = new Deadlines<string>(800, (one) => {
    expired.push(one)
    other.remove()
    if (expired.length === 1) deadlines.add(one)
  })
  deadlines.add('a')
  const other = deadlines.add('b')
  vi.advanceTimersByTime(900)
  expect(expired).toEqual(['a'])
  vi.advanceTimersByTime(900)
  expect(expired).toEqual(['a', 'a'])
})
