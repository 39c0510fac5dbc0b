import type { App, HealthCheck, Resources, Role, Route, SecretUse } from '../../model/app.ts'

/** A value as naru.yaml would hold it; null: not written. */
export type Written = string | number | boolean | null | readonly Written[] | { readonly [key: string]: Written }

/**
 * What of a resolved app is a setting, in the words and units of naru.yaml. The source, and an image that is run as it is,
 * are left out: they are told on their own. What the file may say in two places (env, health) stands under the role that has it.
 */
export function writtenSettings(app: App): Written {
  const { build, migrate, receipt, env, secrets, roles, routes, rollout } = app
  return {
    engine: app.engine.kind,
    build: build === null ? null : { ...build },
    image: build === null ? null : app.image,
    migrate: migrate === null ? null : { ...migrate },
    env,
    secrets: secrets.map(writtenSecret),
    roles: Object.fromEntries(roles.map((role) => [role.name, writtenRole(role)])),
    routes: routes.map(writtenRoute),
    rollout: { ...rollout },
    receipt: receipt === null ? null : { ...receipt },
  }
}

const writtenSecret = ({ name, file }: SecretUse): Written => (file === null ? name : { name, file })

function writtenRole(role: Role): Written {
  const { run, port, replicas, env, resources, readiness, startupSeconds, terminationGracePeriodSeconds } = role
  return {
    run,
    port: port === 'image' ? null : port,
    replicas,
    env,
    resources: writtenResources(resources),
    health: { readiness: readiness === 'image' ? null : writtenCheck(readiness), startup: startupSeconds },
    terminationGracePeriodSeconds,
  }
}

function writtenCheck(check: HealthCheck): Written {
  if (check.kind === 'run') return { run: check.command }
  if (check.kind === 'tcp') return { tcp: check.port ?? true }
  const { kind: _kind, ...more } = check
  return { ...more }
}

function writtenResources(resources: Resources): Written {
  const { cpuRequestMilli, cpuLimitMilli, memoryRequestBytes, memoryLimitBytes } = resources
  return {
    requests: { cpu: milliText(cpuRequestMilli), memory: bytesText(memoryRequestBytes) },
    limits: { cpu: milliText(cpuLimitMilli), memory: bytesText(memoryLimitBytes) },
  }
}

const milliText = (milli: number | null): Written => (milli === null ? null : `${milli}m`)

/** The largest unit that says it exactly. */
function bytesText(bytes: number | null): Written {
  if (bytes === null) return null
  const [unit, size] = UNITS.find(([, size]) => bytes % size === 0) ?? ['', 1]
  return unit === '' ? bytes : `${bytes / size}${unit}`
}

const UNITS = [
  ['Gi', 2 ** 30],
  ['Mi', 2 ** 20],
  ['Ki', 2 ** 10],
] as const

function writtenRoute({ role, listen, host, path, tls }: Route): Written {
  const name = listen.host.includes(':') ? `[${listen.host}]` : listen.host
  const more = Object.entries({ host, path: path === '/' ? null : path, tls }).filter(([, value]) => value !== null)
  const written = listen.port === 'role' ? name : `${name}:${listen.port}`
  return { role, listen: written, ...Object.fromEntries(more) }
}
