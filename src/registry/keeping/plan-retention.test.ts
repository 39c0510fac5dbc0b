import { expect, it } from 'vitest'
import type { RetentionRule } from '../../model/registry-keeping.ts'
import { matchesTag, planRetention } from './plan-retention.ts'

const DAY_MS = 86_400_000
const NOW = 100 * DAY_MS
/** `shop:v1@3`: set three days ago. */
const tag = (text: string) => {
  const [, repository = '', name = '', days = ''] = /^(.+):(.+)@(\d+)$/.exec(text) ?? []
  return { repository, tag: name, setAtMs: NOW - Number(days) * DAY_MS }
}
const rule = (given: Partial<RetentionRule>): RetentionRule => ({
  repositories: '**',
  tags: [],
  protect: [],
  keepLast: null,
  olderThanMs: null,
  ...given,
})
const TAGS = ['shop:v1@9', 'shop:v2@5', 'shop:pr-1@4', 'shop:pr-2@1', 'team/blog:v1@30', 'team/blog:latest@30']

it.each([
  ['keeps the last of each repository', { keepLast: 1 }, ['shop:v1', 'shop:v2', 'shop:pr-1', 'team/blog:latest']],
  ['keeps all where there are fewer', { keepLast: 9 }, []],
  ['takes what is older', { olderThanMs: 4.5 * DAY_MS }, ['shop:v1', 'shop:v2', 'team/blog:v1', 'team/blog:latest']],
  ['takes what is older and not among the last', { olderThanMs: 4.5 * DAY_MS, keepLast: 3 }, ['shop:v1']],
  ['is about the tags that it names', { tags: ['pr-*'], keepLast: 1 }, ['shop:pr-1']],
  ['takes by name alone', { tags: ['pr-*'] }, ['shop:pr-1', 'shop:pr-2']],
  [
    'is about the repositories that it names',
    { repositories: 'team/**', keepLast: 0 },
    ['team/blog:v1', 'team/blog:latest'],
  ],
  ['never takes or counts what is protected', { protect: ['v*', 'latest'], keepLast: 1 }, ['shop:pr-1']],
] as const)('%s', (_name, given, expected) => {
  const expired = planRetention(TAGS.map(tag), rule(given), NOW)
  expect(expired.map(({ repository, tag: name }) => `${repository}:${name}`)).toEqual(expected)
})

it('says why', () => {
  const [expired] = planRetention([tag('shop:v1@9')], rule({ keepLast: 0, olderThanMs: DAY_MS }), NOW)
  expect(expired?.cause).toBe('not among the last 0, set 9.0 days ago')
})

it.each([
  ['*', 'v1', true],
  ['v1', 'v1', true],
  ['v1', 'v10', false],
  ['v*', 'v', true],
  ['*-rc*', 'v1-rc2', true],
  ['v*.*.*', 'v1.2.3', true],
  ['v*.*.*', 'v1.2', false],
  ['a*a', 'a', false],
  ['*a*a*a*a*b', 'a'.repeat(128), false],
])('%s and %s: %s', (pattern, name, matches) => {
  expect(matchesTag(pattern, name)).toBe(matches)
})
