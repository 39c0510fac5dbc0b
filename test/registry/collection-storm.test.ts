import { expect, it } from 'vitest'
import { collectionStorm } from './collection-storm.ts'

it('8 pushers and deleters beside collections of garbage: nothing referenced is lost, nothing else is kept (npm run registry-storm: 10,000 times)', async () => {
  const weather = await collectionStorm({ workers: 8, operations: 250, graceMs: 2000 })
  expect(weather.lost).toEqual([])
  expect(weather.kept).toEqual([])
  expect(weather.collections).toBeGreaterThan(1)
  expect(Object.keys(weather.operations).sort()).toEqual(['delete', 'index', 'push', 'retag', 'untag'])
}, 240_000)
