import type { RoleProgress } from '../../model/event.ts'
import { isProgressing } from '../../plan/completion.ts'

/**
 * Whether anything got further between two rounds, in words; null: nothing did. The rule is the planner's; an old replica that
 * is gone at last counts on every engine, because a rollout ends only when all of them are.
 */
export function progress(before: readonly RoleProgress[], after: readonly RoleProgress[]): string | null {
  const earlier = new Map(before.map((role) => [role.role, role]))
  for (const now of after) {
    const was = earlier.get(now.role)
    if (was === undefined) return `${now.role}: begun`
    if (!isProgressing(was, now, 'TerminationComplete')) continue
    if (now.updated > was.updated) return `${now.role}: ${now.updated} of ${now.replicas} updated`
    if (now.ready > was.ready) return `${now.role}: ${now.ready} ready`
    if (now.available > was.available) return `${now.role}: ${now.available} available`
    if (now.old < was.old) return `${now.role}: ${now.old} old left`
    return `${now.role}: ${now.terminating} terminating`
  }
  return null
}
