import type { Descriptor, Platform } from '../model/descriptor.ts'

/**
 * The manifest of an index that fits a platform best: the same variant, else one without a variant, else the first. Where
 * no variant is asked for, one without is best. null: none. Attestations (`unknown/unknown`) are never picked.
 */
export function pickPlatform(manifests: readonly Descriptor[], wanted: Platform): Descriptor | null {
  const fitting = manifests.filter(
    ({ platform }) => platform?.os === wanted.os && platform.architecture === wanted.architecture,
  )
  const same = fitting.find(({ platform }) => platform?.variant === wanted.variant)
  return same ?? fitting.find(({ platform }) => platform?.variant === undefined) ?? fitting[0] ?? null
}
