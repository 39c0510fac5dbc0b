import { expect, it } from 'vitest'
import { type ScaleInput, scaleBefore } from './scale-before.ts'

const THREE = { web: 3 }
const FIVE = { web: 5 }
const past = (kind: ScaleInput['kind'], from: number, scale: Readonly<Record<string, number>>) => ({
  kind,
  from,
  scaleBefore: scale,
})

it.each<[string, Partial<ScaleInput>, Readonly<Record<string, number>>]>([
  ['a deploy: what runs was scaled', { desired: { revision: 1, scale: THREE } }, THREE],
  ['a scale: the numbers before it', { kind: 'scale', desired: { revision: 1, scale: THREE } }, THREE],
  [
    'a deploy over one that has aimed elsewhere: what that one would have restored',
    { desired: { revision: 2, scale: FIVE }, superseded: past('deploy', 1, THREE) },
    THREE,
  ],
  [
    'a deploy over a scale: what was asked for by then',
    { desired: { revision: 1, scale: FIVE }, superseded: past('scale', 1, THREE) },
    FIVE,
  ],
  [
    'whatever comes over a stop: what the stop has taken away',
    { desired: { revision: 1, scale: { web: 0 } }, superseded: past('stop', 1, THREE) },
    THREE,
  ],
  [
    'a deploy or a resume after a failure that was held',
    { desired: { revision: 2, scale: FIVE }, history: [past('scale', 1, FIVE), past('deploy', 1, THREE)] },
    THREE,
  ],
  ['a scale of what was held', { kind: 'scale', desired: { revision: 2, scale: FIVE } }, FIVE],
  ['a first deploy', { from: null, desired: { revision: null, scale: {} } }, {}],
])('going back from %s', (_name, more, expected) => {
  const input: ScaleInput = {
    kind: 'deploy',
    from: 1,
    desired: { revision: 1, scale: {} },
    superseded: null,
    history: [],
    ...more,
  }
  expect(scaleBefore(input)).toEqual(expected)
})
