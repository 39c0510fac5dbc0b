import type { Release } from '../../model/release.ts'
import type { DesiredState, Rollout } from '../../model/rollout.ts'
import type { EnvironmentState } from '../environment/environment-state.ts'
import type { ActiveRollout } from './active-rollout.ts'

/**
 * What should be, by the phase of a rollout. The phase is remembered first and this after it, so that a process which is killed
 * between the two finds out by the phase what it meant. `resumed`: what was scaled or paused on the way stays.
 */
export function aimOf(rollout: Rollout, to: Release, desired: DesiredState, when: 'begun' | 'resumed'): DesiredState {
  const at = (revision: number, scale: DesiredState['scale']): DesiredState =>
    when === 'resumed' && desired.revision === revision ? desired : { ...desired, revision, scale, paused: false }
  const none = Object.fromEntries(to.settings.roles.map(({ name }) => [name, 0]))
  const { kind, from, phase, scaleBefore = {} } = rollout
  if (phase === 'RollingBack') {
    if (isOfNumbers(rollout)) return { ...desired, revision: rollout.to, scale: scaleBefore, paused: false }
    // The release as it was scaled, and as it was scaled since: that was asked for, and had nothing to do with the failure.
    return from === null
      ? { ...desired, revision: rollout.to, scale: none, paused: false }
      : at(from, { ...scaleBefore, ...desired.scale })
  }
  if (kind === 'stop') return { ...desired, revision: rollout.to, scale: none, paused: false }
  return kind === 'deploy' || kind === 'rollback' ? at(rollout.to, {}) : desired
}

/** Whether a rollout changes how many replicas there are, and not of which release: going back brings the numbers back. */
export const isOfNumbers = ({ kind }: Pick<Rollout, 'kind'>): boolean => kind === 'scale' || kind === 'stop'

/** Makes what should be what the rollout's phase means. Safe twice. */
export async function aim(active: ActiveRollout, state: EnvironmentState, when: 'begun' | 'resumed'): Promise<void> {
  const desired = aimOf(active.rollout, active.to, state.desired, when)
  if (JSON.stringify(desired) !== JSON.stringify(state.desired)) await state.save(desired)
}
