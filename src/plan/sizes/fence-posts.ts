import type { RolloutSettings } from '../../model/app.ts'

/** maxSurge or maxUnavailable as written. A missing value counts as 0. */
export type FencePost = number | string | undefined

/** Absolute numbers of one role, or which value is no number or percentage. */
export type FencePosts =
  | { readonly ok: true; readonly surge: number; readonly unavailable: number }
  | { readonly ok: false; readonly problem: SettingProblem }

/** A setting that breaks a rule: its key, and a sentence that says what was expected. */
export interface SettingProblem {
  readonly key: keyof RolloutSettings
  readonly message: string
}

const PERCENTAGE = /^(\d{1,9})%$/

/** The share of `replicas`, or null when the text is no percentage. Whole numbers first: 0.39 * 100 would not be exact. */
function resolve(value: FencePost, replicas: number, round: (share: number) => number): number | null {
  if (value === undefined) return 0
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : null
  const percent = PERCENTAGE.exec(value)?.[1]
  return percent === undefined ? null : round((Number(percent) * replicas) / 100)
}

/**
 * Percentages to replicas: surge is rounded up, unavailable down. When both come out as 0 one replica may be unavailable,
 * else nothing could ever move (rollout-semantics.md 1.1, `TestResolveFenceposts`).
 */
export function fencePosts(maxSurge: FencePost, maxUnavailable: FencePost, replicas: number): FencePosts {
  const surge = resolve(maxSurge, replicas, Math.ceil)
  if (surge === null) return unreadable('maxSurge', maxSurge)
  const unavailable = resolve(maxUnavailable, replicas, Math.floor)
  if (unavailable === null) return unreadable('maxUnavailable', maxUnavailable)
  return { ok: true, surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable }
}

function unreadable(key: 'maxSurge' | 'maxUnavailable', value: FencePost): FencePosts {
  return {
    ok: false,
    problem: { key, message: `${key}: expected a whole number or a percentage such as 25%, found ${value}` },
  }
}

const isZero = (value: FencePost): boolean => resolve(value, 100, Math.floor) === 0

/** What is wrong with the limits of a rollout (rollout-semantics.md 1.1); empty: nothing. */
export function problemsOf(settings: RolloutSettings): readonly SettingProblem[] {
  const { strategy, maxSurge, maxUnavailable, minReadySeconds, progressDeadlineSeconds } = settings
  const problems: SettingProblem[] = []
  const posts = fencePosts(maxSurge, maxUnavailable, 100)
  if (!posts.ok) problems.push(posts.problem)
  if (strategy !== 'Recreate' && isZero(maxSurge) && isZero(maxUnavailable))
    problems.push({
      key: 'maxUnavailable',
      message: 'maxSurge and maxUnavailable are both 0: no replica could ever be replaced',
    })
  if (typeof maxUnavailable === 'string' && posts.ok && posts.unavailable > 100)
    problems.push({ key: 'maxUnavailable', message: `maxUnavailable: at most 100%, found ${maxUnavailable}` })
  if (progressDeadlineSeconds <= minReadySeconds)
    problems.push({
      key: 'progressDeadlineSeconds',
      message: `progressDeadlineSeconds (${progressDeadlineSeconds}) must be more than minReadySeconds (${minReadySeconds})`,
    })
  return problems
}
