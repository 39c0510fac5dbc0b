import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../../lib/clock.ts'
import { Signal } from '../../lib/signal.ts'
import type { Scope } from '../../model/app.ts'
import type { EngineTraits } from '../../model/engine-traits.ts'
import type { Report } from '../../model/event.ts'
import { DeployError } from '../../model/failure.ts'
import type { Observed, ProbeResult } from '../../model/observed.ts'
import type { Release } from '../../model/release.ts'
import type { FencingToken } from '../../model/rollout.ts'
import type { EngineStep, StartStep } from '../../model/step.ts'
import type { ReadinessProbe } from '../../probe/probe.ts'
import type { Engine, LoggedReplica, LogLine, LogOptions, Order } from '../engine.ts'
import { embeddedTraits } from './embedded-traits.ts'
import { deleteLogs, logFolder } from './keeper/logs/log-file.ts'
import type { ExecAnswer, KeeperStatus, Secrets } from './keeper/protocol.ts'
import { programOf } from './keeper/process/process-tree.ts'
import type { ReplicaRecord } from './keeper/replica/replica-record.ts'
import { KeeperClient } from './keeper-client.ts'
import type { ReplicaRoots } from './launch.ts'
import { migrateOnce } from './migrate-once.ts'
import { observedReplica } from './observed-replica.ts'
import { ReadinessWatch } from './readiness-watch.ts'
import { keyOf, StartPlaces } from './start-places.ts'
import { loggedReplicas, parseReplicaName, readLogs } from './replica-logs.ts'

export interface EmbeddedEngineOptions {
  /** The data folder. */
  readonly folder: string
  readonly roots: ReplicaRoots
  /** Program and arguments that run `runKeeper` for this folder. */
  readonly keeperCommand: readonly string[]
  readonly probe: ReadinessProbe
  readonly clock: Clock
  /** What replicas can be held to on this machine. */
  readonly limits: EngineTraits['limits']
  /** What is special about this machine, a sentence each (roots.notes); default: only the isolation. */
  readonly notes?: readonly string[]
  /** Opens a release's secrets again, for replicas whose keeper was killed; null: such replicas wait for their next start step. */
  readonly openSecrets: ((release: Release) => Promise<Secrets>) | null
}

const EXEC_TIMEOUT_MS = 5000
const SETTLE_TIMEOUT_MS = 10_000

/** Replicas on this machine, kept by a keeper of their own that outlives the server (design.md section 6). */
export class EmbeddedEngine implements Engine {
  readonly name = 'embedded'
  readonly traits: EngineTraits
  readonly #options: EmbeddedEngineOptions
  readonly #keeper: KeeperClient
  readonly #readiness: ReadinessWatch
  readonly #changed = new Signal()
  readonly #closing = new AbortController()
  readonly #places: StartPlaces

  constructor(options: EmbeddedEngineOptions) {
    this.#options = options
    this.traits = embeddedTraits(options.limits)
    this.#keeper = new KeeperClient({ folder: options.folder, command: options.keeperCommand, clock: options.clock })
    this.#places = new StartPlaces(this.#keeper, options.roots, this.#closing.signal)
    this.#readiness = new ReadinessWatch({
      probe: options.probe,
      clock: options.clock,
      exec: (record, command, signal) => this.#exec(record, command, signal),
      changed: (record, { readySinceMs }) => this.#readinessChanged(record, readySinceMs),
    })
    this.#keeper.onChange((scope) => this.#look(scope))
  }

  async notes(): Promise<readonly string[]> {
    return this.#options.notes ?? [`isolation: ${this.#options.roots.isolation}`]
  }

  async observe(scope: Scope, signal: AbortSignal): Promise<Observed> {
    const records = await this.#keeper.request<readonly ReplicaRecord[]>({ kind: 'observe', scope }, signal)
    this.#readiness.update(scope, records)
    // A server that came back knows of no replica whether it is ready: a snapshot without an answer would say that none is.
    await Promise.race([this.#readiness.settled(records), delay(SETTLE_TIMEOUT_MS, undefined, { ref: false, signal })])
    const replicas = records.map((record) => observedReplica(record, this.#readiness.readinessOf(record)))
    return { atMs: this.#options.clock.now(), replicas }
  }

  async *changes(_scope: Scope, signal: AbortSignal): AsyncGenerator<void> {
    while (!signal.aborted) {
      const { mark } = this.#changed
      yield
      await this.#changed.wait(mark, Number.POSITIVE_INFINITY, signal).catch(() => {})
    }
  }

  async apply(step: EngineStep, order: Order, report: Report, signal: AbortSignal): Promise<void> {
    const { scope, token, release } = order
    const { roots } = this.#options
    const request = <T>(message: Parameters<KeeperClient['request']>[0]) => this.#keeper.request<T>(message, signal)
    switch (step.kind) {
      case 'prepare':
        await request({ kind: 'fence', scope, token })
        return roots.prepare(release, signal)
      case 'migrate':
        return migrateOnce(this.#migratePlace, order, report, signal)
      case 'start':
        return this.#places.start(step, order, signal)
      case 'stop':
        await request({ kind: 'stop', scope, token, replica: step.replica, graceMs: step.graceSeconds * 1000 })
        return
      case 'remove':
        return this.#places.turns.take(keyOf(scope, step.replica), async () => {
          await request({ kind: 'remove', scope, token, replica: step.replica })
          await roots.remove(scope, step.replica)
        })
      case 'roll':
        throw new DeployError('ENGINE_NOT_SUPPORTED', 'the embedded engine does not roll by itself', {
          hint: 'This is a bug in Naru: the planner must read the trait rollsItself.',
        })
      default:
        step satisfies never
    }
  }

  foresee(starts: readonly StartStep[], order: Order): void {
    this.#places.foresee(starts, order)
  }

  async logged(scope: Scope): Promise<readonly LoggedReplica[]> {
    const names = loggedReplicas(logFolder(this.#options.folder, scope))
    return names.flatMap((replica) => {
      const parsed = parseReplicaName(replica)
      return parsed === null ? [] : [{ replica, ...parsed }]
    })
  }

  async *logs(scope: Scope, options: LogOptions, signal: AbortSignal): AsyncGenerator<LogLine> {
    const folder = logFolder(this.#options.folder, scope)
    const old = new Set<string>()
    if (options.replica === null && options.revision === null) {
      // Logs outlive their replicas: who names none wants those that are there, and those that come.
      const records = await this.#keeper.request<readonly ReplicaRecord[]>({ kind: 'observe', scope }, signal)
      const present = new Set(records.map(({ spec }) => spec.place.replica))
      for (const replica of loggedReplicas(folder)) if (!present.has(replica)) old.add(replica)
    }
    yield* readLogs(folder, (replica) => !old.has(replica) && isWanted(replica, options), options, signal)
  }

  async prune(scope: Scope, keep: readonly number[], token: FencingToken, signal: AbortSignal): Promise<void> {
    await this.#keeper.request({ kind: 'prune', scope, token, keep }, signal)
    const records = await this.#keeper.request<readonly ReplicaRecord[]>({ kind: 'observe', scope }, signal)
    const used = new Set([...keep, ...records.map(({ spec }) => spec.place.revision)])
    await this.#places.settled()
    const there = records.map(({ spec }) => spec.place.replica)
    await this.#options.roots.prune(scope, [...used], there, signal)
    deleteLogs(this.#options.folder, scope, (replica) => {
      const revision = parseReplicaName(replica)?.revision
      return revision !== undefined && !used.has(revision)
    })
  }

  /** The keeper and its router, for doctor. */
  status(signal: AbortSignal): Promise<KeeperStatus> {
    return this.#keeper.request({ kind: 'status' }, signal)
  }

  /** Stops and removes everything that runs from this data folder, the router and the keeper too. */
  async shutdown(graceMs: number, signal: AbortSignal): Promise<void> {
    const records = await this.#keeper.request<readonly ReplicaRecord[]>({ kind: 'observe', scope: null }, signal)
    await this.#keeper.shutdown(graceMs, signal)
    for (const { spec } of records) await this.#options.roots.remove(spec.place.scope, spec.place.replica)
    await this.#places.removeAll()
    this.#end()
  }

  /** Lets go of everything; what runs goes on. */
  async close(): Promise<void> {
    this.#end()
    await this.#keeper.close()
  }

  get #migratePlace(): Parameters<typeof migrateOnce>[0] {
    const { folder, roots } = this.#options
    return { folder, roots, keeper: this.#keeper, turns: this.#places.turns }
  }

  #end(): void {
    this.#closing.abort()
    this.#readiness.close()
    this.#changed.notify()
  }

  async #exec(record: ReplicaRecord, command: readonly string[], signal: AbortSignal): Promise<ProbeResult> {
    const { place, release } = record.spec
    const root = record.process
    const pid = root === null ? null : programOf(root, record.spec.launch.signalTo)
    if (pid === null) return notThere(this.#options.clock.now())
    const launch = await this.#options.roots.exec(place, release, command, pid)
    const request = { kind: 'exec', launch, timeoutMs: EXEC_TIMEOUT_MS } as const
    const { code, timedOut, lastLine } = await this.#keeper.request<ExecAnswer>(request, signal)
    const atMs = this.#options.clock.now()
    if (code === 0) return { ok: true, atMs }
    const how = timedOut ? `no end within ${EXEC_TIMEOUT_MS} ms` : `exit ${code ?? 'by a signal'}`
    const message = `${command.join(' ')}: ${how}${lastLine === '' ? '' : `, ${lastLine}`}`
    return { ok: false, atMs, reason: timedOut ? 'timeout' : 'exit', message, status: null }
  }

  #readinessChanged(record: ReplicaRecord, readySinceMs: number | null): void {
    const { scope, replica } = record.spec.place
    const pid = record.process?.pid ?? 0
    // Told to the keeper for the next server's sake; this one knows it already.
    this.#keeper.request({ kind: 'readiness', scope, replica, pid, readySinceMs }, this.#closing.signal).catch(() => {})
    this.#changed.notify()
  }

  /** Something changed at the keeper: the watch follows, and whoever waits for changes is woken. */
  #look(scope: Scope | null): void {
    this.#changed.notify()
    if (this.#closing.signal.aborted) return
    this.#keeper
      .request<readonly ReplicaRecord[]>({ kind: 'observe', scope }, this.#closing.signal)
      .then((records) => {
        this.#readiness.update(scope, records)
        return Promise.all(
          records.filter(({ state }) => state === 'needs-secrets').map((one) => this.#giveSecrets(one)),
        )
      })
      .catch(() => {})
  }

  async #giveSecrets({ spec }: ReplicaRecord): Promise<void> {
    const secrets = await this.#options.openSecrets?.(spec.release)
    if (secrets === undefined) return
    const { scope, replica } = spec.place
    await this.#keeper.request({ kind: 'secrets', scope, replica, secrets }, this.#closing.signal)
  }
}

const notThere = (atMs: number): ProbeResult => ({
  ok: false,
  atMs,
  reason: 'exit',
  message: 'the program is not there yet',
  status: null,
})

function isWanted(replica: string, { role, replica: only, revision }: LogOptions): boolean {
  const name = parseReplicaName(replica)
  if (name === null || (only !== null && only !== replica) || (revision !== null && revision !== name.revision))
    return false
  return role === null ? name.role !== null || only === replica : role === (name.role ?? 'migrate')
}
