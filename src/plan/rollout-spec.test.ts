import { describe, expect, it } from 'vitest'
import type { App } from '../model/app.ts'
import type { EngineTraits } from '../model/engine-traits.ts'
import { anApp, aRole, ROLLOUT_SETTINGS } from '../model/testing.ts'
import { maxTotalOf, minAvailableOf, specOf } from './rollout-spec.ts'
import { TRAITS } from './testing.ts'

type Written = Partial<App['rollout']>

function spec(
  replicas: number,
  rollout: Written,
  more: Partial<EngineTraits> = {},
  scale: Record<string, number> = {},
) {
  const role = aRole({ replicas })
  const app = anApp({ roles: [role], rollout: { ...ROLLOUT_SETTINGS, maxSurge: 1, ...rollout } })
  return specOf(app, role, scale, { ...TRAITS, ...more })
}

describe('the limits of a role in absolute numbers', () => {
  // rollout-semantics.md 2.2: TestMaxUnavailable and TestMinAvailable, surge 1
  it.each<[App['rollout']['strategy'], number, App['rollout']['maxUnavailable'], number, number]>([
    ['RollingUpdate', 10, 5, 5, 5],
    ['RollingUpdate', 10, 10, 10, 0],
    ['RollingUpdate', 5, 10, 5, 0],
    ['RollingUpdate', 0, 10, 0, 0],
    ['RollingUpdate', 10, '50%', 5, 5],
    ['RollingUpdate', 10, '60%', 6, 4],
    ['RollingUpdate', 10, '100%', 10, 0],
    ['RollingUpdate', 5, '100%', 5, 0],
    ['Recreate', 10, 0, 0, 0],
  ])('%s of %i with maxUnavailable %s: %i may be missing, %i must stay', (strategy, replicas, written, most, least) => {
    const limits = spec(replicas, { strategy, maxUnavailable: written })
    expect([limits.maxUnavailable, minAvailableOf(limits)]).toEqual([most, least])
    expect(maxTotalOf(limits)).toBe(strategy === 'Recreate' ? replicas : replicas + 1)
  })

  it('follows what was scaled in place of the settings, percentages too', () => {
    expect(spec(2, { maxUnavailable: '50%' }, {}, { web: 6 })).toMatchObject({ replicas: 6, maxUnavailable: 3 })
    expect(spec(2, { maxUnavailable: '50%' }, {}, { worker: 6 })).toMatchObject({ replicas: 2, maxUnavailable: 1 })
  })

  it('lets an engine that cannot surge replace one in place', () => {
    expect(spec(3, { maxUnavailable: 0 }, { surges: false })).toMatchObject({ maxSurge: 0, maxUnavailable: 1 })
  })
})
