import type { Event, RequestCounts, RoleProgress } from '../../model/event.ts'
import { cutToWidth, padEnd } from '../show/columns.ts'
import { imageLine, stepLine } from './event-line.ts'
import type { Paint } from '../show/paint.ts'
import { countText, durationText } from '../show/quantities.ts'
import { nextSteps, type RunningStep, stepLines } from './running-steps.ts'

/** What the lines at the foot of a terminal show while an operation runs. */
export interface Scene {
  /** `build Dockerfile`, `rollout r41 → r42`; null: nothing has begun. */
  readonly title: string | null
  readonly beganMs: number
  /** The newest detail: an image on its way, a step of the rollout, what a replica did. */
  readonly latest: string | null
  /** Of a Dockerfile. */
  readonly building: readonly RunningStep[]
  readonly roles: readonly RoleProgress[]
  /** What the prober has sent and lost; null: nothing is measured yet. */
  readonly requests: RequestCounts | null
}

export const EMPTY_SCENE: Scene = { title: null, beganMs: 0, latest: null, building: [], roles: [], requests: null }

/** The scene after an event. */
export function nextScene(scene: Scene, event: Event): Scene {
  switch (event.kind) {
    case 'station':
      if (event.state === 'finished') return { ...scene, title: null, latest: null, building: [] }
      return { ...scene, title: `${event.station} ${event.note}`, beganMs: event.atMs, latest: null }
    case 'build':
    case 'log':
      return { ...scene, building: nextSteps(scene.building, event) }
    case 'image':
      return { ...scene, latest: event.state === 'here' ? null : imageLine(event).trim() }
    case 'step':
      return { ...scene, latest: event.step.kind === 'wait' ? event.step.cause : stepLine(event.step).trim() }
    case 'replica':
      return { ...scene, latest: `${event.replica} ${event.change}` }
    case 'progress':
      return afterProgress(scene, event)
    case 'end':
      return EMPTY_SCENE
    case 'push':
    case 'router':
    case 'note':
    case 'failure':
      return scene
    default:
      return event satisfies never
  }
}

function afterProgress(
  scene: Scene,
  { phase, roles, requests, from, to }: Extract<Event, { kind: 'progress' }>,
): Scene {
  const moved = from === to || from === null ? `→ r${to}` : `r${from} → r${to}`
  const rolling = phase === 'RollingBack' ? `rolling back to r${from ?? '–'}` : `rollout ${moved}`
  // Requests are absent in what an older server remembered.
  return { ...scene, roles, requests: requests ?? scene.requests, title: phase === 'Preparing' ? scene.title : rolling }
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
  const most = Math.max(1, size.height - 2)
  const lines = [
    paint.strong(cutToWidth(title, size.width)),
    ...roles,
    ...requestLines(scene, paint),
    ...latest.map((line) => paint.dim(cutToWidth(line, size.width))),
  ]
  const room = { width: size.width, height: most - lines.length }
  return [...lines, ...stepLines(scene.building, nowMs, room, paint)].slice(0, most)
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
