import type { HealthCheck, Resources, Role } from '../../model/app.ts'
import type { MergedFile } from '../schema/app-file.ts'
import { splitCommand } from '../schema/command.ts'
import { parseCpu, parseMemory, type Quantity } from '../schema/quantity.ts'
import { type MapNode, nodeAt, type Path } from '../tree/placed-tree.ts'
import { textMapAt, textsAt } from '../tree/texts.ts'
import type { Settings } from './settings.ts'

type WrittenRole = NonNullable<MergedFile['roles']>[string]
export type WrittenCheck = NonNullable<NonNullable<MergedFile['health']>['readiness']>

/** What the resolving functions read: the checked values, the tree they stand in, and the list of what was taken. */
export interface Resolving {
  readonly file: MergedFile
  readonly root: MapNode
  readonly settings: Settings
}

const GRACE_SECONDS = 30
const STARTUP_SECONDS = 60

/** The roles of a merged file, in its order. `routed`: roles that a route names; they and `web` have a port without writing one. */
export function resolveRoles(from: Resolving, routed: ReadonlySet<string>): readonly Role[] {
  return Object.entries(from.file.roles ?? {}).map(([name, role]) => {
    const path = ['roles', name]
    const port = resolvePort(from, path, role, name === 'web' || routed.has(name))
    return {
      name,
      run: commandAt(from, [...path, 'run']),
      port,
      replicas: from.settings.take([...path, 'replicas'], countOf(role.replicas), 1),
      env: resolveEnv(from, [...path, 'env']),
      resources: resolveResources(from, [...path, 'resources'], role),
      readiness: resolveReadiness(from, path, role, port !== null),
      startupSeconds: resolveStartup(from, path, role),
      terminationGracePeriodSeconds: resolveGrace(from, path, role),
    }
  })
}

/** The forms `{ perHost }` and `{ min, max }` are refused before (not-yet.ts) as long as `Role` has no place for them. */
const countOf = (replicas: WrittenRole['replicas']): number | undefined =>
  typeof replicas === 'number' ? replicas : undefined

function resolvePort({ settings }: Resolving, path: Path, { port }: WrittenRole, has: boolean): Role['port'] {
  if (port !== undefined) return settings.take([...path, 'port'], port, port)
  settings.note([...path, 'port'], has ? 'EXPOSE, else 8080' : null, has ? { kind: 'image' } : { kind: 'default' })
  return has ? 'image' : null
}

/** A command as a list; null when none is written. */
export function commandAt({ root, settings }: Resolving, path: Path): readonly string[] | null {
  const node = nodeAt(root, path)
  if (node === undefined) return null
  const split = node.kind === 'scalar' ? splitCommand(node.text) : { args: textsAt(root, path) }
  const command = 'args' in split ? split.args : []
  settings.note(path, command)
  return command
}

/** A map of texts, each noted under its own key. */
export function resolveEnv({ root, settings }: Resolving, path: Path): Readonly<Record<string, string>> {
  const env = textMapAt(root, path)
  for (const [name, value] of Object.entries(env)) settings.note([...path, name], value)
  return env
}

function resolveStartup({ file, settings }: Resolving, path: Path, role: WrittenRole): number {
  const own = role.health?.startup
  if (own !== undefined || file.health?.startup === undefined)
    return settings.take([...path, 'health', 'startup'], own, STARTUP_SECONDS)
  return settings.take(['health', 'startup'], file.health.startup, STARTUP_SECONDS)
}

function resolveGrace({ file, settings }: Resolving, path: Path, role: WrittenRole): number {
  const key = 'terminationGracePeriodSeconds'
  const shared = file.rollout?.terminationGracePeriodSeconds
  if (role[key] !== undefined || shared === undefined) return settings.take([...path, key], role[key], GRACE_SECONDS)
  return settings.take(['rollout', key], shared, GRACE_SECONDS)
}

/** The role's own check, else the app's where it can apply: a path or a connect needs a port. */
function resolveReadiness(from: Resolving, path: Path, role: WrittenRole, hasPort: boolean): Role['readiness'] {
  const own = role.health?.readiness
  if (own !== undefined) return checkOf(from, [...path, 'health', 'readiness'], own)
  const shared = from.file.health?.readiness
  if (shared !== undefined && (hasPort || shared.port !== undefined || shared.run !== undefined))
    return checkOf(from, ['health', 'readiness'], shared)
  const shown = hasPort ? 'HEALTHCHECK, else a connect to the port' : 'ready when it runs'
  from.settings.note([...path, 'health', 'readiness'], shown, hasPort ? { kind: 'image' } : { kind: 'default' })
  return 'image'
}

function checkOf(from: Resolving, path: Path, check: WrittenCheck): HealthCheck {
  const { settings } = from
  const run = commandAt(from, [...path, 'run'])
  if (run !== null) return { kind: 'run', command: run }
  const port = check.port === undefined ? null : settings.take([...path, 'port'], check.port, check.port)
  if (check.path === undefined) {
    settings.note([...path, 'tcp'], check.tcp ?? true)
    return { kind: 'tcp', port: typeof check.tcp === 'number' ? check.tcp : port }
  }
  return {
    kind: 'http',
    path: settings.take([...path, 'path'], check.path, '/'),
    port,
    host: settings.take([...path, 'host'], check.host, null),
    expect: settings.take([...path, 'expect'], check.expect === undefined ? undefined : [check.expect].flat(), null),
  }
}

/** `memory` is request and limit, `cpu` a request only; `requests` and `limits` override. */
function resolveResources({ settings }: Resolving, path: Path, { resources }: WrittenRole): Resources {
  const { cpu, memory, requests, limits } = resources ?? {}
  type Written = string | number | undefined
  const take = (keys: Path, own: Written, key: string, shared: Written, parse: (text: string | number) => Quantity) => {
    const written = own ?? shared
    const parsed = written === undefined ? undefined : parse(written)
    if (written === undefined || parsed === undefined || 'wrong' in parsed) return null
    settings.note([...path, ...(own === undefined ? [key] : [...keys, key])], written)
    return parsed.amount
  }
  return {
    cpuRequestMilli: take(['requests'], requests?.cpu, 'cpu', cpu, parseCpu),
    cpuLimitMilli: take(['limits'], limits?.cpu, 'cpu', undefined, parseCpu),
    memoryRequestBytes: take(['requests'], requests?.memory, 'memory', memory, parseMemory),
    memoryLimitBytes: take(['limits'], limits?.memory, 'memory', memory, parseMemory),
  }
}
