import type { RolloutBody, StatusBody } from '../../api/responses.ts'
import { firstCauseOf } from '../../deploy/environment/first-cause-of.ts'
import type { EnvironmentStatus } from '../../deploy/environment/environment-loop.ts'
import type { EventStream } from '../../deploy/event-stream.ts'
import { type Scope, scopeName } from '../../model/app.ts'
import { DeployError } from '../../model/failure.ts'
import { checkName } from '../../model/names.ts'
import type { ObservedReplica, ObservedTarget } from '../../model/observed.ts'
import type { Release } from '../../model/release.ts'
import type { Rollout } from '../../model/rollout.ts'
import type { ServerContext } from '../server-context.ts'

/** The scope of a path, checked. Throws NAME_INVALID. */
export function scopeOf(params: { app: string; environment: string }): Scope {
  return { app: checkName('app', params.app), environment: checkName('environment', params.environment) }
}

/** The scope of a path, when something was ever deployed there. Throws APP_NOT_FOUND. */
export async function knownScope(
  { control }: ServerContext,
  params: { app: string; environment: string },
): Promise<Scope> {
  const scope = scopeOf(params)
  const scopes = await control.place.memory.scopes()
  if (scopes.some(({ app, environment }) => app === scope.app && environment === scope.environment)) return scope
  const known = scopes.map(scopeName).join(', ')
  throw new DeployError('APP_NOT_FOUND', `nothing was ever deployed as ${scopeName(scope)}`, {
    hint: known === '' ? 'Deploy first: naru deploy.' : `There is: ${known}. Choose an environment with -e.`,
  })
}

/** As `knownScope`, or when the first deploy there is under way. Throws APP_NOT_FOUND. */
export async function visibleScope(
  context: ServerContext,
  params: { app: string; environment: string },
): Promise<Scope> {
  const scope = scopeOf(params)
  return context.control.operations.preparing(scope).length > 0 ? scope : knownScope(context, params)
}

/** A rollout as the API shows it. */
export function rolloutBodyOf(rollout: Rollout): RolloutBody {
  const { id, operation, kind, to, from, phase, startedAtMs, startedBy, endedAtMs, endState, failure, supersededBy } =
    rollout
  const shown = failure === null ? null : { code: failure.code, message: failure.message, hint: failure.hint }
  return {
    id,
    operation,
    kind,
    to,
    from,
    phase,
    startedAtMs,
    startedBy,
    endedAtMs,
    endState,
    failure: shown,
    supersededBy,
  }
}

/** What `naru status` shows. */
export async function environmentStatus(
  context: ServerContext,
  scope: Scope,
  signal: AbortSignal,
): Promise<StatusBody> {
  const { control } = context
  const { memory, engine, clock } = control.place
  const now = await control.status(scope, signal)
  const [last] = await memory.rollouts(scope, 1)
  const { desired, rollout, observed, router } = now
  const release = desired.revision === null ? null : await memory.release(scope, desired.revision)
  const problems = problemsOf(now, release, clock.now())
  const redact = problems.size === 0 ? (text: string) => text : await redactorOf(context, release)
  return {
    app: scope.app,
    environment: scope.environment,
    engine: engine.name,
    router: router.path,
    revision: desired.revision,
    commit: release?.source.commit ?? null,
    subject: release?.source.subject ?? null,
    digest: release?.artifact.digest ?? null,
    paused: desired.paused,
    rollout: rollout === null ? null : rolloutBodyOf(rollout),
    unattended: now.unattended,
    preparing: control.operations.preparing(scope).map(preparingBody),
    lastRollout: last === undefined ? null : rolloutBodyOf(last),
    back: await control.whereBack(scope),
    routes: (release?.settings.routes ?? []).map(({ role, listen, path }) => ({
      role,
      url: `http://${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${listen.port}${path}`,
    })),
    roles: roleCounts(now, release),
    replicas: observed.replicas.map((replica) => ({
      ...replicaBody(
        replica,
        router.targets.find((target) => target.replica === replica.id),
      ),
      problem: redact(problems.get(replica.id) ?? '') || null,
    })),
    notes: [...(await engine.notes())],
  }
}

function preparingBody({ operation, events }: EventStream): StatusBody['preparing'][number] {
  const last = events.findLast((event) => event.kind === 'station')
  return { operation, station: last?.station ?? null, note: last?.note ?? '' }
}

function problemsOf({ observed }: EnvironmentStatus, release: Release | null, nowMs: number): Map<string, string> {
  if (release === null) return new Map()
  const causes = observed.replicas.map((replica) => {
    const cause = firstCauseOf(release.revision, release.settings, { ...observed, replicas: [replica] }, nowMs)
    return [replica.id, cause?.message ?? ''] as const
  })
  return new Map(causes.filter(([, message]) => message !== ''))
}

/** A cause may hold the last line of a log, and a program may have written a secret there. */
async function redactorOf({ control }: ServerContext, release: Release | null): Promise<(text: string) => string> {
  const { memory, redactor } = control.place
  return redactor(release === null ? [] : Object.values(await memory.openSecrets(release, release.secrets)))
}

function replicaBody(
  replica: ObservedReplica,
  target: ObservedTarget | undefined,
): Omit<StatusBody['replicas'][number], 'problem'> {
  const { id, role, revision, phase, ready, restarts, startedAtMs, pid, address } = replica
  return {
    id,
    role,
    revision,
    phase,
    ready,
    restarts,
    startedAtMs,
    pid,
    address,
    target: target?.state ?? 'none',
    inFlight: target?.inFlight ?? 0,
    open: target?.open ?? 0,
  }
}

function roleCounts({ desired, observed }: EnvironmentStatus, release: Release | null): StatusBody['roles'] {
  return (release?.settings.roles ?? []).map((role) => {
    const all = observed.replicas.filter((replica) => replica.role === role.name)
    const live = all.filter(({ phase }) => phase === 'Running' || phase === 'Pending')
    const updated = live.filter(({ revision }) => revision === desired.revision)
    return {
      role: role.name,
      replicas: desired.scale[role.name] ?? role.replicas,
      updated: updated.length,
      ready: live.filter(({ ready }) => ready).length,
      available: live.filter(({ ready }) => ready).length,
      old: live.length - updated.length,
      terminating: all.filter(({ phase }) => phase === 'Terminating').length,
    }
  })
}
