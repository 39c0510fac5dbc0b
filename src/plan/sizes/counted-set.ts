/**
 * One ReplicaSet of a role with what was counted of it: all that the arithmetic of sizes sees.
 * A set is `new` when it is of the wanted revision, else old. Age is the revision: a lower one was created earlier.
 */
export interface CountedSet {
  readonly revision: number
  /** Replicas that we want of it (`rs.spec.replicas`). */
  readonly size: number
  /** Replicas that run and were not told to go (`status.replicas`). */
  readonly total: number
  /** Of these, available; never counted above `size`: the rest is about to go. */
  readonly available: number
  /** Replicas on their way out; null: somebody who knows could not be asked. */
  readonly terminating: number | null
  /** `replicas` and `replicas + maxSurge` at its last scaling; null: never recorded. */
  readonly desiredReplicas: number | null
  readonly maxReplicas: number | null
}

/** New sizes by revision, of the sets that change. */
export type Sizes = ReadonlyMap<number, number>

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

/** Replicas wanted of all sets. */
export const sumSize = (sets: readonly CountedSet[]): number => sum(sets.map((set) => set.size))
export const sumTotal = (sets: readonly CountedSet[]): number => sum(sets.map((set) => set.total))
export const sumAvailable = (sets: readonly CountedSet[]): number => sum(sets.map((set) => set.available))

/** One unknown count makes the sum unknown: unknown is not 0 (KEP-3973). */
export function sumTerminating(sets: readonly CountedSet[]): number | null {
  let total = 0
  for (const { terminating } of sets) {
    if (terminating === null) return null
    total += terminating
  }
  return total
}

export const oldestFirst = (sets: readonly CountedSet[]): readonly CountedSet[] =>
  sets.toSorted((a, b) => a.revision - b.revision)
