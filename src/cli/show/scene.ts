import type { Event, RequestCounts, RoleProgress } from '../../model/event.ts'
import { cutToWidth, padEnd } from './columns.ts'
import { buildStep, imageLine, stepLine } from './event-line.ts'
import type { Paint } from './paint.ts'
import { countText, durationText } from './quantities.ts'

/** What the lines at the foot of a terminal show while an operation runs. */
export interface Scene {
  /** `build Dockerfile`, `rollout r41 → r42`; null: nothing has begun. */
  readonly title: string | null
  readonly beganMs: number
  /** The newest detail: a build step, a step of the rollout, what a replica did. */
  readonly latest: string | null
  readonly roles: readonly RoleProgress[]
  /** What the prober has sent and lost; null: nothing is measured yet. */
  readonly requests: RequestCounts | null
}

export const EMPTY_SCENE: Scene = { title: null, beganMs: 0, latest: null, roles: [], requests: null }

/** The scene after an event. */
export function nextScene(scene: Scene, event: Event): Scene {
  switch (event.kind) {
    case 'station':
      if (event.state === 'finished') return { ...scene, title: null, latest: null }
      return { ...scene, title: `${event.station} ${event.note}`, beganMs: event.atMs, latest: null }
    case 'build':
      return { ...scene, latest: buildStep(event) }
    case 'image':
      return { ...scene, latest: imageLine(event).trim() }
    case 'step':
      return { ...scene, latest: event.step.kind === 'wait' ? event.step.cause : stepLine(event.step).trim() }
    case 'replica':
      return { ...scene, latest: `${event.replica} ${event.change}` }
    case 'progress': {
      const moved = event.from === event.to || event.from === null ? `→ r${event.to}` : `r${event.from} → r${event.to}`
      const isBack = event.phase === 'RollingBack'
      return {
        ...scene,
        roles: event.roles,
        // Absent in what an older server remembered.
        requests: event.requests ?? scene.requests,
        title:
          event.phase === 'Preparing'
            ? scene.title
            : isBack
              ? `rolling back to r${event.from ?? '–'}`
              : `rollout ${moved}`,
      }
    }
    case 'end':
      return EMPTY_SCENE
    case 'push':
    case 'log':
    case 'router':
    case 'note':
    case 'failure':
      return scene
    default:
      return event satisfies never
  }
}

const SPINNER = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'
const BAR = 16

/** The scene as lines that fit a terminal. */
export function sceneLines(
  scene: Scene,
  nowMs: number,
  size: { width: number; height: number },
  paint: Paint,
): string[] {
  if (scene.title === null) return []
  const turn = SPINNER[Math.floor(nowMs / 100) % SPINNER.length] ?? ''
  const title = `${turn} ${scene.title}  ${durationText(Math.max(0, nowMs - scene.beganMs))}`
  const longest = Math.max(0, ...scene.roles.map(({ role }) => role.length))
  const roles = scene.roles.map((role) => roleLine(role, longest, paint))
  const latest = scene.latest === null ? [] : [`  ${scene.latest}`]
  return [
    paint.strong(cutToWidth(title, size.width)),
    ...roles,
    ...requestLines(scene, paint),
    ...latest.map((line) => paint.dim(cutToWidth(line, size.width))),
  ].slice(0, Math.max(1, size.height - 2))
}

function requestLines({ requests }: Scene, paint: Paint): string[] {
  if (requests === null) return []
  const lost = `lost ${countText(requests.lost)}`
  return [`  ${requests.lost === 0 ? lost : paint.bad(lost)} of ${countText(requests.sent)} requests so far`]
}

function roleLine(
  { role, replicas, updated, available, old, terminating }: RoleProgress,
  longest: number,
  paint: Paint,
): string {
  const wanted = Math.max(replicas, 1)
  const done = Math.min(BAR, Math.round((BAR * Math.min(updated, available)) / wanted))
  const bar = paint.good('━'.repeat(done)) + paint.dim('─'.repeat(BAR - done))
  const parts = [`${updated} of ${replicas} new`, `${available} available`]
  if (old > 0) parts.push(`${old} old`)
  if (terminating > 0) parts.push(`${terminating} stopping`)
  return `  ${padEnd(role, longest)}  ${bar}  ${parts.join('   ')}`
}
