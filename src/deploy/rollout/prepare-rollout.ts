import type { Report } from '../../model/event.ts'
import type { Release } from '../../model/release.ts'
import type { Rollout } from '../../model/rollout.ts'
import { type EngineStep, type PublishedRoute, publishedRoute } from '../../model/step.ts'
import type { Order } from '../../engines/engine.ts'
import { applyStep } from '../environment/apply-step.ts'
import type { Place } from '../place.ts'
import { observe } from '../environment/round.ts'

/**
 * Everything before a replica is touched: the addresses are taken, the image is laid ready, migrate runs once. What it
 * throws leaves the old release untouched. Safe twice: migrate attaches to its first run.
 */
export async function prepareRollout(
  place: Place,
  rollout: Rollout,
  releases: { readonly to: Release; readonly from: Release | null },
  order: Order,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const { to, from } = releases
  // Engine and router must both answer before anything is changed; an engine that keeps the router starts it for this.
  await observe(place, order.scope, signal)
  await place.router.publish(order.scope, unionRoutes(from, to), order.token, signal)
  await station('prepare', { kind: 'prepare', revision: rollout.to, cause: 'before anything is touched' })
  const { migrate } = to.settings
  if (rollout.kind !== 'deploy' || migrate === null || rollout.migrated) return
  await station('migrate', { kind: 'migrate', revision: rollout.to, cause: 'once, before any replica is replaced' })

  async function station(name: 'prepare' | 'migrate', step: EngineStep): Promise<void> {
    const note = name === 'migrate' ? (migrate?.run.join(' ') ?? '') : `revision ${rollout.to}`
    const began = place.clock.monotonic()
    report({ kind: 'station', station: name, state: 'started', note })
    await applyStep(place, step, order, report, signal)
    const tookMs = Math.round(place.clock.monotonic() - began)
    report({ kind: 'station', station: name, state: 'finished', note, tookMs })
  }
}

/** Old and new addresses side by side while both revisions may serve; of two for one address the new one is meant. */
export function unionRoutes(from: Release | null, to: Release): PublishedRoute[] {
  const routes = new Map<string, PublishedRoute>()
  for (const release of [from, to]) {
    for (const route of release?.settings.routes.map(publishedRoute) ?? []) {
      routes.set(`${route.listen.host} ${route.listen.port}`, route)
    }
  }
  return [...routes.values()]
}
