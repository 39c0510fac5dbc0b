import { expect, it } from 'vitest'
import { nearest } from './nearest.ts'

const NAMES = ['deploy', 'logs', 'status', 'stop', 'scale', 'replicas', 'port', 'environments']

it.each([
  ['deplou', 'deploy'],
  ['dpeloy', 'deploy'],
  ['statsu', 'status'],
  ['prot', 'port'],
  ['lgos', 'logs'],
  ['log', 'logs'],
  ['Replica', 'replicas'],
  ['enviroments', 'environments'],
  ['bogus', undefined],
  ['foo', undefined],
  ['x', undefined],
  ['', undefined],
  ['completely-else', undefined],
])('%s means %s', (wrong, meant) => {
  expect(nearest(wrong, NAMES)).toBe(meant)
})
