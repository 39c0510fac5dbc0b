import type { ObservedRouter } from '../../model/observed.ts'
import type { Release } from '../../model/release.ts'
import { type PublishedRoute, publishedRoute } from '../../model/step.ts'
import type { EnvironmentState } from '../environment/environment-state.ts'
import type { ActiveRollout } from './active-rollout.ts'

type Routed = Pick<Release, 'settings'> | null

/**
 * The addresses of both releases side by side, while both may serve. An address that both have, but for different roles, goes
 * to the wanted release's role as soon as that one has a target that serves.
 */
export function routesNow(
  wanted: Routed,
  other: Routed,
  { targets }: Pick<ObservedRouter, 'targets'>,
): PublishedRoute[] {
  const serving = new Set(targets.filter(({ state }) => state === 'Active').map(({ role }) => role))
  const routes = new Map(routesOf(other).map((route) => [addressOf(route), route]))
  for (const route of routesOf(wanted)) {
    const before = routes.get(addressOf(route))
    if (before === undefined || serving.has(route.role) || !serving.has(before.role))
      routes.set(addressOf(route), route)
  }
  return [...routes.values()]
}

/** The routes of a release; none of none. */
export const routesOf = (release: Routed): PublishedRoute[] => release?.settings.routes.map(publishedRoute) ?? []

const addressOf = ({ listen }: PublishedRoute): string => `${listen.host} ${listen.port}`

/** Publishes what `routesNow` says, when it is not what this process published last. Throws PORT_TAKEN. */
export async function publishRoutes(
  active: ActiveRollout,
  state: EnvironmentState,
  router: ObservedRouter,
  signal: AbortSignal,
): Promise<void> {
  const { rollout, to, from, place } = active
  const routes = rollout.phase === 'RollingBack' ? routesNow(from, to, router) : routesNow(to, from, router)
  const text = JSON.stringify(routes)
  if (text === active.published) return
  const { token } = await state.lease()
  await place.router.publish(state.scope, routes, token, signal)
  active.published = text
}
