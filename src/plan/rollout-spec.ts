import type { App, Role } from '../model/app.ts'
import type { EngineTraits } from '../model/engine-traits.ts'
import type { RolloutSpec } from '../model/rollout.ts'
import { fencePosts } from './sizes/fence-posts.ts'

/**
 * The limits of one role in absolute numbers. `scale`: replicas by role that differ from the settings (`naru scale`).
 * An engine that cannot surge replaces in place: one replica at least may then be unavailable.
 * Settings were checked when the file was read; a value that is no number here is a bug and throws RangeError.
 */
export function specOf(
  app: App,
  role: Role,
  scale: Readonly<Record<string, number>>,
  traits: EngineTraits,
): RolloutSpec {
  const { rollout } = app
  const replicas = scale[role.name] ?? role.replicas
  const strategy = rollout.strategy === 'Recreate' ? 'Recreate' : 'RollingUpdate'
  const posts = fencePosts(traits.surges ? rollout.maxSurge : 0, rollout.maxUnavailable, replicas)
  if (!posts.ok) throw new RangeError(posts.problem.message)
  const rolls = strategy === 'RollingUpdate'
  return {
    role: role.name,
    strategy,
    replicas,
    maxSurge: rolls ? posts.surge : 0,
    maxUnavailable: rolls ? Math.min(posts.unavailable, replicas) : 0,
    minReadySeconds: rollout.minReadySeconds,
    replacement: traits.replacement,
    drainSeconds: rollout.drainSeconds,
    terminationGracePeriodSeconds: role.terminationGracePeriodSeconds,
    routed: app.routes.some((route) => route.role === role.name),
  }
}

/** The limits of all roles, in the order of the file: the order in which they are rolled. */
export const specsOf = (
  app: App,
  scale: Readonly<Record<string, number>>,
  traits: EngineTraits,
): readonly RolloutSpec[] => app.roles.map((role) => specOf(app, role, scale, traits))

/** How many must stay available while a role rolls; 0 where all are replaced at once (rollout-semantics.md 1.1). */
export const minAvailableOf = (spec: RolloutSpec): number =>
  spec.strategy === 'Recreate' ? 0 : spec.replicas - spec.maxUnavailable

/** How many there may be in all. */
export const maxTotalOf = (spec: RolloutSpec): number => spec.replicas + spec.maxSurge
