/**
 * Which releases to forget: of those that are not wanted, the lowest numbers beyond the limit, but none that is in use
 * (rollout-semantics.md 2.15). `current`: the wanted revision; it does not count towards the limit. `inUse`: revisions of
 * which a replica, a target or a set is there, or that a rollout goes back to; they do count.
 */
export function planPrune(
  revisions: readonly number[],
  inUse: readonly number[],
  limit: number,
  current: number | null = null,
): readonly number[] {
  const old = revisions.filter((revision) => revision !== current).sort((a, b) => a - b)
  return old.slice(0, Math.max(old.length - limit, 0)).filter((revision) => !inUse.includes(revision))
}
