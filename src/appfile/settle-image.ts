import type { App, HealthCheck, Role } from '../model/app.ts'
import type { ImageConfig } from '../model/descriptor.ts'
import { DeployError } from '../model/failure.ts'
import { sharedListen } from './resolve/shared-listen.ts'

const DEFAULT_PORT = 8080

/**
 * The app once its image is known: ports that are the image's EXPOSE (else 8080), what routes publish, and readiness by the image's
 * HEALTHCHECK (else a connect to the port). A role without a port keeps readiness 'image': it is ready when it runs.
 * Throws APPFILE_INVALID when two routes turn out to publish one address.
 */
export function settleImage(app: App, image: ImageConfig): App {
  const roles = app.roles.map((role) => settleRole(role, image))
  const ports = new Map(roles.map((role) => [role.name, role.port]))
  const routes = app.routes.map((route) => {
    const port = ports.get(route.role)
    const known = route.listen.port === 'role' && typeof port === 'number' ? port : route.listen.port
    return { ...route, listen: { ...route.listen, port: known } }
  })
  const settled = { ...app, roles, routes }
  const [shared] = sharedListen(routes, roles)
  if (shared === undefined) return settled
  throw new DeployError(
    'APPFILE_INVALID',
    `routes[${shared.index}] publishes ${shared.address}, which routes[${shared.other}] does already`,
    {
      hint: `Write routes[${shared.index}].listen with another port, such as 127.0.0.1:8081.`,
      detail: { route: shared.index },
    },
  )
}

function settleRole(role: Role, image: ImageConfig): Role {
  if (role.port === null) return role
  const port = role.port === 'image' ? exposedPort(image) : role.port
  const readiness = role.readiness === 'image' ? imageReadiness(image) : role.readiness
  return { ...role, port, readiness }
}

/** The first TCP port of EXPOSE, else 8080. */
function exposedPort(image: ImageConfig): number {
  for (const exposed of Object.keys(image.config?.ExposedPorts ?? {})) {
    const [, digits] = /^(\d{1,5})(?:\/tcp)?$/.exec(exposed) ?? []
    const port = Number(digits)
    if (port >= 1 && port <= 65_535) return port
  }
  return DEFAULT_PORT
}

/** HEALTHCHECK as image-spec keeps it: `[CMD, …]`, `[CMD-SHELL, text]` (the image's own shell), `[NONE]`. */
function imageReadiness(image: ImageConfig): HealthCheck {
  const [kind, ...rest] = image.config?.Healthcheck?.Test ?? []
  const [script] = rest
  if (kind === 'CMD' && rest.length > 0) return { kind: 'run', command: rest }
  if (kind === 'CMD-SHELL' && script !== undefined) return { kind: 'run', command: ['/bin/sh', '-c', script] }
  return { kind: 'tcp', port: null }
}
