import { backoff } from '../../lib/backoff.ts'
import type { Clock } from '../../lib/clock.ts'
import { type HealthCheck, type Scope, scopeName } from '../../model/app.ts'
import type { ProbeResult } from '../../model/observed.ts'
import { listeningPorts } from '../../os/tcp-table.ts'
import type { ReadinessProbe } from '../../probe/probe.ts'
import { MARK_NAME, treeMembers } from './keeper/process/process-tree.ts'
import type { ReplicaRecord } from './keeper/replica/replica-record.ts'
import { NOT_CHECKED, type Readiness } from './observed-replica.ts'

const PROBE_TIMEOUT_MS = 2000
/** Until it is ready for the first time: `first` apart while most programs start, then later and later. From then on: steady. */
const FIRST_DELAYS_MS = { first: 20, most: 100 }
const STARTING_MS = 500
/** The kernel refuses for the program while that does not listen: no event tells when it does, and asking costs 0.4 ms. */
const REFUSED_DELAY_MS = 5
const STEADY_DELAY_MS = 500
/** A check that starts a program waits so many times as long as it took, and no longer than this. */
const RUN = { rest: 20, mostMs: 10_000 }
/** Looking where a program listens instead reads all of /proc: only for one that has had time to listen. */
const LISTENS_AFTER_MS = 300
/** Failures in a row that make a ready replica unready. */
const FAILURE_THRESHOLD = 3

export interface ReadinessWatchOptions {
  readonly probe: ReadinessProbe
  readonly clock: Clock
  /** Runs a check of kind run. */
  readonly exec: (record: ReplicaRecord, command: readonly string[], signal: AbortSignal) => Promise<ProbeResult>
  /** Tells a change: readiness of exactly this process. */
  readonly changed: (record: ReplicaRecord, readiness: Readiness) => void
}

interface Watched {
  readonly pid: number
  readonly ending: AbortController
  /** Resolves when the first answer about it is there. */
  readonly settled: Promise<void>
  readiness: Readiness
}

/**
 * Asks every running replica whether it is ready: 5 to 100 ms apart until the first yes, then every 500 ms, by a program as
 * seldom as makes a twentieth of its time; one yes makes it ready, three noes in a row unready. Nothing is assumed ready without an answer, also not after a restart of the server.
 */
export class ReadinessWatch {
  readonly #options: ReadinessWatchOptions
  readonly #watched = new Map<string, Watched>()

  constructor(options: ReadinessWatchOptions) {
    this.#options = options
  }

  /** Watches exactly the running replicas among these records of a scope (null: these are all there are). */
  update(scope: Scope | null, records: readonly ReplicaRecord[]): void {
    const running = new Map(records.filter(({ state }) => state === 'running').map((record) => [keyOf(record), record]))
    for (const [key, watched] of this.#watched) {
      const inScope = scope === null || key.startsWith(`${scopeName(scope)}/`)
      if (inScope && running.get(key)?.process?.pid !== watched.pid) this.#forget(key)
    }
    for (const [key, record] of running) if (!this.#watched.has(key)) this.#watch(key, record)
  }

  readinessOf(record: ReplicaRecord): Readiness {
    const watched = this.#watched.get(keyOf(record))
    return watched === undefined || watched.pid !== record.process?.pid ? NOT_CHECKED : watched.readiness
  }

  /** Resolves when every watched replica of these has an answer: what a snapshot waits for after a restart of the server. */
  async settled(records: readonly ReplicaRecord[]): Promise<void> {
    await Promise.all(records.map((record) => this.#watched.get(keyOf(record))?.settled ?? Promise.resolve()))
  }

  close(): void {
    for (const key of [...this.#watched.keys()]) this.#forget(key)
  }

  #forget(key: string): void {
    this.#watched.get(key)?.ending.abort()
    this.#watched.delete(key)
  }

  #watch(key: string, record: ReplicaRecord): void {
    if (record.process === null) return
    const ending = new AbortController()
    const settled = Promise.withResolvers<void>()
    const watched: Watched = {
      pid: record.process.pid,
      ending,
      settled: settled.promise,
      readiness: { ...NOT_CHECKED },
    }
    this.#watched.set(key, watched)
    // A watch that is forgotten ends by its signal; whoever waited for its answer must not wait on.
    this.#loop(record, watched, settled.resolve).catch(() => settled.resolve())
  }

  async #loop(record: ReplicaRecord, watched: Watched, settle: () => void): Promise<void> {
    const check = checkOf(record)
    if (check === null) {
      this.#set(record, watched, { ...NOT_CHECKED, ready: true, readySinceMs: record.processStartedAtMs })
      return settle()
    }
    const { signal } = watched.ending
    let failures = 0
    const delays = backoff(FIRST_DELAYS_MS.first, FIRST_DELAYS_MS.most)
    while (!signal.aborted) {
      const from = this.#options.clock.monotonic()
      const result = await this.#ask(record, check, signal)
      const tookMs = this.#options.clock.monotonic() - from
      failures = result.ok ? 0 : failures + 1
      this.#judge(record, watched, result, failures)
      if (result.ok || record.readySinceMs === null || failures >= FAILURE_THRESHOLD) settle()
      const early = watched.readiness.ready
        ? steadyDelayMs(check, result, tookMs)
        : earlyDelayMs(check, result, ageMs(record, result))
      await this.#options.clock.sleep(early ?? delays.next().value, signal)
    }
  }

  #ask(record: ReplicaRecord, check: HealthCheck, signal: AbortSignal): Promise<ProbeResult> {
    if (check.kind === 'run') return this.#options.exec(record, check.command, signal)
    const address = { host: '127.0.0.1', port: record.spec.place.port ?? 0 }
    return this.#options.probe.check(address, check, PROBE_TIMEOUT_MS, signal)
  }

  #judge(record: ReplicaRecord, watched: Watched, result: ProbeResult, failures: number): void {
    const before = watched.readiness
    if (result.ok) {
      // A replica that was ready under the server before this one has been so all along.
      const readySinceMs =
        before.readySinceMs ?? (before.lastProbe === null ? record.readySinceMs : null) ?? result.atMs
      this.#set(record, watched, { ready: true, readySinceMs, lastProbe: result, listens: null })
      return
    }
    const ready = before.ready && failures < FAILURE_THRESHOLD
    const isLate = ageMs(record, result) >= LISTENS_AFTER_MS
    const listens = result.reason === 'refused' && isLate ? listensOf(record) : before.listens
    const lastProbe = { ...result, sinceMs: failingSince(before.lastProbe, result) }
    this.#set(record, watched, { ready, readySinceMs: ready ? before.readySinceMs : null, lastProbe, listens })
  }

  #set(record: ReplicaRecord, watched: Watched, readiness: Readiness): void {
    const before = watched.readiness
    watched.readiness = readiness
    const told = ({ ready, lastProbe, listens }: Readiness) =>
      `${ready} ${lastProbe?.ok === false ? lastProbe.message : lastProbe?.ok} ${listens}`
    if (told(before) !== told(readiness)) this.#options.changed(record, readiness)
  }
}

/** How soon to ask again one that is ready. A first no is followed up soon, whatever it costs. */
function steadyDelayMs(check: HealthCheck, { ok }: ProbeResult, tookMs: number): number {
  if (check.kind !== 'run' || !ok) return STEADY_DELAY_MS
  return Math.min(Math.max(tookMs * RUN.rest, STEADY_DELAY_MS), RUN.mostMs)
}

/** How soon to ask a program again that was started so long ago; null: later and later. */
function earlyDelayMs(check: HealthCheck, result: ProbeResult, startedMs: number): number | null {
  // A check that starts a program costs more than the milliseconds that it could find.
  if (check.kind === 'run' || startedMs >= STARTING_MS) return null
  const isRefused = !result.ok && result.reason === 'refused' && startedMs < LISTENS_AFTER_MS
  return isRefused ? REFUSED_DELAY_MS : FIRST_DELAYS_MS.first
}

type Failed = Extract<ProbeResult, { readonly ok: false }>

/** When the unbroken run of this same answer began. */
function failingSince(before: ProbeResult | null, { reason, status, atMs }: Failed): number {
  const same = before?.ok === false && before.reason === reason && before.status === status
  return same ? (before.sinceMs ?? before.atMs) : atMs
}

/** null: the replica is ready when it runs. `image` is a connect where the role has a port (an image's HEALTHCHECK is settled in the release). */
export function checkOf({ spec }: ReplicaRecord): HealthCheck | null {
  const { port, role: name } = spec.place
  const { roles, routes } = spec.release.settings
  const role = roles.find((one) => one.name === name)
  const readiness = role?.readiness ?? 'image'
  if (readiness === 'image') return port === null ? null : { kind: 'tcp', port: null }
  if (readiness.kind === 'run') return readiness
  // The role's port is where the program would listen alone; here it was told the assigned one.
  const own = readiness.port === null || readiness.port === role?.port ? null : readiness.port
  if (own === null && port === null) return null
  if (readiness.kind === 'tcp') return { kind: 'tcp', port: own }
  return { ...readiness, port: own, host: readiness.host ?? routes.find((route) => route.host !== null)?.host ?? null }
}

/** How long its process had been started when this was found. */
const ageMs = ({ processStartedAtMs }: ReplicaRecord, { atMs }: ProbeResult): number => atMs - processStartedAtMs

/** On which ports its processes listen instead. */
function listensOf({ process: root, nonce, spec }: ReplicaRecord): readonly number[] | null {
  if (root === null) return null
  const tree = { root, mark: `${MARK_NAME}=${nonce}`, cgroups: spec.launch.cgroups }
  return listeningPorts(treeMembers(tree).map(({ pid }) => pid))
}

const keyOf = ({ spec }: ReplicaRecord): string => `${scopeName(spec.place.scope)}/${spec.place.replica}`
