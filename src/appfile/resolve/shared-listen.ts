import type { Role, Route } from '../../model/app.ts'

interface Shared {
  readonly index: number
  readonly other: number
  readonly address: string
}

const EVERY = new Set(['0.0.0.0', '::'])

/** Routes that publish an address which an earlier one publishes for the same host and path. */
export function sharedListen(routes: readonly Route[], roles: readonly Role[]): readonly Shared[] {
  const portOf = (route: Route): number | string => {
    const { port } = route.listen
    // A port that only the image knows is the same for every role that waits for it.
    return port === 'role' ? (roles.find(({ name }) => name === route.role)?.port ?? 'image') : port
  }
  return routes.flatMap((route, index) => {
    const other = routes.findIndex((earlier) => portOf(earlier) === portOf(route) && isSame(earlier, route))
    return other >= index ? [] : [{ index, other, address: `${route.listen.host}:${portOf(route)}` }]
  })
}

function isSame(a: Route, b: Route): boolean {
  const hosts = [a.listen.host, b.listen.host]
  const meets = a.listen.host === b.listen.host || hosts.some((host) => EVERY.has(host))
  return meets && a.host === b.host && a.path === b.path
}
