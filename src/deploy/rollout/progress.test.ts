import { describe, expect, it } from 'vitest'
import type { RoleProgress } from '../../model/event.ts'
import { progress } from './progress.ts'

const role = (more: Partial<RoleProgress>): RoleProgress => ({
  role: 'web',
  replicas: 3,
  updated: 1,
  ready: 3,
  available: 3,
  old: 2,
  terminating: 1,
  ...more,
})

describe('progress', () => {
  it.each<[string, Partial<RoleProgress>, string | null]>([
    ['nothing changed', {}, null],
    ['one more was updated', { updated: 2 }, 'web: 2 of 3 updated'],
    ['one more is ready', { ready: 4 }, 'web: 4 ready'],
    ['one more is available', { available: 4 }, 'web: 4 available'],
    ['an old one is gone', { old: 1 }, 'web: 1 old left'],
    ['one has stopped', { terminating: 0 }, 'web: 0 terminating'],
    ['one is not ready any more: no progress', { ready: 2 }, null],
  ])('%s', (_name, now, expected) => {
    expect(progress([role({})], [role(now)])).toBe(expected)
  })

  it('counts a role that was not there before', () => {
    expect(progress([], [role({})])).toBe('web: begun')
  })
})
