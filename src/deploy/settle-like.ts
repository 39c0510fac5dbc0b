import type { App, Role, Route } from '../model/app.ts'

/**
 * What only the image can say (ports, readiness) as it was in the release before: before the image is built, nothing speaks
 * for a difference, and a plan that shows one would always show it.
 */
export function settleLike(app: App, before: App): App {
  const roles = app.roles.map((role) =>
    settledRole(
      role,
      before.roles.find(({ name }) => name === role.name),
    ),
  )
  const routes = app.routes.map((route, at) => settledRoute(route, before.routes[at]))
  return { ...app, roles, routes }
}

function settledRole(role: Role, before: Role | undefined): Role {
  if (before === undefined) return role
  return {
    ...role,
    port: role.port === 'image' ? before.port : role.port,
    readiness: role.readiness === 'image' ? before.readiness : role.readiness,
  }
}

function settledRoute(route: Route, before: Route | undefined): Route {
  if (route.listen.port !== 'role' || before?.role !== route.role) return route
  return { ...route, listen: { ...route.listen, port: before.listen.port } }
}
