/** Time, passed in wherever it matters, so that rules about time can be tested with values alone. */
export interface Clock {
  /** Wall time in milliseconds since the epoch: data, for people and records. It may jump. */
  now(): number
  /** Monotonic milliseconds from an arbitrary start: for deadlines and durations. It never jumps. */
  monotonic(): number
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. For back-off only, never in place of an answer. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}
