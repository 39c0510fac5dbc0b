/** What one layer may cost (A7). */
export interface LayerLimits {
  /** Plain bytes. */
  readonly bytes: number
  /** Plain bytes for each stored byte, counted above `freeBytes`. */
  readonly ratio: number
  readonly freeBytes: number
  readonly entries: number
  /** Names in a path. */
  readonly depth: number
}

/** Far above any image that is in use: the largest known layers have some 30 GB and 500,000 entries. */
export const LAYER_LIMITS: LayerLimits = {
  bytes: 64 * 2 ** 30,
  ratio: 400,
  freeBytes: 256 * 2 ** 20,
  entries: 2_000_000,
  depth: 256,
}
