import type { App, RolloutSettings, Route } from '../../model/app.ts'
import { parseListen } from '../schema/rollout-keys.ts'
import { ENGINE_DEFAULTS } from './engine-defaults.ts'
import type { EngineKind } from '../schema/engine-keys.ts'
import type { Resolving } from './roles.ts'

const LOOPBACK = '127.0.0.1'
const RATE = 5

/** Where requests enter. None written: `web` on 127.0.0.1 and its own port, where the engine publishes by itself. */
export function resolveRoutes({ file, settings }: Resolving, engine: EngineKind): readonly Route[] {
  if (file.routes === undefined) {
    const { publishesWeb } = ENGINE_DEFAULTS[engine]
    if (!publishesWeb || file.roles?.web === undefined) return []
    settings.note(['routes'], `web on ${LOOPBACK} and its port`, { kind: 'default' })
    return [{ role: 'web', listen: { host: LOOPBACK, port: 'role' }, host: null, path: '/', tls: null }]
  }
  return file.routes.map((route, index) => {
    const path = ['routes', index]
    const listen = route.listen === undefined ? null : parseListen(route.listen)
    settings.take([...path, 'listen'], route.listen, `${LOOPBACK} and the role's port`)
    return {
      role: settings.take([...path, 'role'], route.role, 'web'),
      listen: listen ?? { host: LOOPBACK, port: 'role' },
      host: settings.take([...path, 'host'], route.host, null),
      path: settings.take([...path, 'path'], route.path, '/'),
      tls: settings.take([...path, 'tls'], route.tls, null),
    }
  })
}

/** Roles that a route names: they have a port without writing one. */
export const routedRoles = ({ file }: Resolving): ReadonlySet<string> =>
  new Set((file.routes ?? []).map(({ role = 'web' }) => role))

/** The limits of a rollout with the defaults of design.md section 3. */
export function resolveRollout({ file, settings }: Resolving, engine: EngineKind): RolloutSettings {
  const rollout = file.rollout ?? {}
  const defaults = ENGINE_DEFAULTS[engine]
  const take = <K extends keyof typeof rollout, T>(key: K, written: T | undefined, fallback: T): T =>
    settings.take(['rollout', key], written, fallback)
  return {
    strategy: take('strategy', rollout.strategy, 'RollingUpdate'),
    maxSurge: take('maxSurge', countOrPercent(rollout.maxSurge), '25%'),
    maxUnavailable: take('maxUnavailable', countOrPercent(rollout.maxUnavailable), 0),
    minReadySeconds: take('minReadySeconds', rollout.minReadySeconds, defaults.minReadySeconds),
    progressDeadlineSeconds: take('progressDeadlineSeconds', rollout.progressDeadlineSeconds, 120),
    terminationGracePeriodSeconds: take('terminationGracePeriodSeconds', rollout.terminationGracePeriodSeconds, 30),
    drainSeconds: take('drainSeconds', rollout.drainSeconds, defaults.drainSeconds),
    revisionHistoryLimit: take('revisionHistoryLimit', rollout.revisionHistoryLimit, 10),
    onFailure: take('onFailure', rollout.onFailure, 'rollback'),
    startRetries: take('startRetries', rollout.startRetries, 1),
  }
}

/** The schema has checked the form; this tells the compiler. */
function countOrPercent(written: string | number | undefined): number | `${number}%` | undefined {
  return typeof written === 'string' ? `${Number(written.slice(0, -1))}%` : written
}

/** What is measured: by default the readiness path at 5 requests a second. `false` and `null`: nothing. */
export function resolveReceipt({ file, settings }: Resolving): App['receipt'] {
  const { receipt } = file
  if (receipt === false) {
    settings.note(['receipt'], false)
    return null
  }
  const written = typeof receipt === 'object' ? receipt : {}
  const path = settings.take(['receipt', 'path'], written.path, null, (value) => value ?? 'the readiness path, else /')
  return { path, rate: settings.take(['receipt', 'rate'], written.rate, RATE) }
}
