import { randomBytes } from 'node:crypto'
import { closeSync } from 'node:fs'
import type { Scope } from '../../../../model/app.ts'
import { failureReport } from '../../../../model/failure.ts'
import type { Clock } from '../../../../lib/clock.ts'
import { oomKills } from '../../../../os/cgroup.ts'
import { openLog } from '../../../../os/open-log.ts'
import { bootId, identify, isAlive, type ProcessIdentity } from '../../../../os/process-identity.ts'
import { establishedOn } from '../../../../os/tcp-table.ts'
import { exitReport } from '../process/exit-report.ts'
import type { HeldStart } from './held-start.ts'
import { adoptProcess, type Ending, type KeptProcess } from '../process/kept-process.ts'
import type { Ledger } from '../ledger.ts'
import { logEnd, logPath, logTail } from '../logs/log-file.ts'
import { findMarked, killTree, MARK_NAME, type ProcessTree, sendStopSignal } from '../process/process-tree.ts'
import type { Secrets } from '../protocol.ts'
import { afterExit, type ReplicaRecord, stateWithoutProcess } from './replica-record.ts'
import {
  neededSecrets,
  type NotStarted,
  removeSecretFiles,
  runLists,
  spawnLaunch,
  writeSecretFiles,
} from '../process/spawn-launch.ts'

const KILL_TIMEOUT_MS = 10_000
/** How soon to look again whether a program that is still starting can hear its stop signal. */
const SIGNAL_POLL_MS = 50

/** What a replica's keeping needs of the keeper around it. */
export interface Surroundings {
  readonly folder: string
  readonly ledger: Ledger
  readonly clock: Clock
  /** Tells connected servers. */
  readonly changed: (scope: Scope) => void
  /** Tells the router: the target must leave the map now. */
  readonly exited: (scope: Scope, replica: string) => void
  /** Into the keeper's own log: what failed with nobody waiting for it. */
  readonly complain: (thrown: unknown) => void
  /** Aborted when the keeper ends. Replicas go on. */
  readonly signal: AbortSignal
}

/**
 * One replica over its whole life. Everything is done in turn (`#turn`), and written down before it is done, so that the
 * keeper may be killed between any two lines and its successor goes on from the record.
 */
export class KeptReplica {
  #record: ReplicaRecord
  #secrets: Secrets | null
  #process: KeptProcess | null = null
  #timer: NodeJS.Timeout | undefined
  #last: Promise<unknown> = Promise.resolve()
  readonly #around: Surroundings

  constructor(record: ReplicaRecord, secrets: Secrets | null, around: Surroundings) {
    this.#record = record
    this.#secrets = secrets
    this.#around = around
  }

  get record(): ReplicaRecord {
    return this.#record
  }

  /** null: not known to this keeper. */
  get secrets(): Secrets | null {
    return this.#secrets
  }

  /** Resolves when nothing of it is under way. */
  async settled(): Promise<void> {
    await this.#last
  }

  get #log(): string {
    const { scope, replica } = this.#record.spec.place
    return logPath(this.#around.folder, scope, replica)
  }

  get log(): string {
    return this.#log
  }

  /** What the record needs to start is known: no secrets, or they were given to this keeper. */
  get #canStart(): boolean {
    return this.#secrets !== null || neededSecrets(this.#record.spec.launch).length === 0
  }

  /** First start of a new replica, which may have been made ready before. Resolves when it runs or is known not to. */
  begin(held: HeldStart | null = null): Promise<void> {
    return this.#turn(async () => {
      if (held !== null) return this.#beginHeld(held)
      // Unlike later changes this one must be on disk: what is not written down is not started.
      this.#around.ledger.saveReplica(this.#record)
      await this.#start()
    })
  }

  /** As `#start`, with one write to the disk: all that is to be known of the process is known before it becomes the program. */
  #beginHeld(held: HeldStart): void {
    this.#record = {
      ...this.#record,
      state: 'running',
      nonce: held.nonce,
      process: held.process.identity,
      preparedBoot: bootId(),
      logOffset: logEnd(this.#log),
      oomKills: this.#oomKills(),
    }
    try {
      this.#around.ledger.saveReplica(this.#record)
    } catch (failed) {
      held.drop().catch(this.#around.complain)
      throw failed
    }
    held.open()
    this.#watch(held.process)
    this.#around.changed(this.#record.spec.place.scope)
  }

  /** Goes on from what a killed keeper wrote down. */
  adopt(): Promise<void> {
    return this.#turn(async () => {
      const { process: known, nonce, state } = this.#record
      const found = known ?? (nonce === '' ? null : this.#findStarted())
      if (found !== null && isAlive(found)) return this.#adoptRunning(found)
      if (known !== null) return this.#goneUnseen()
      this.#save({ state: stateWithoutProcess(state, this.#canStart) })
      this.#schedule()
    })
  }

  async #adoptRunning(found: ProcessIdentity): Promise<void> {
    const { state } = this.#record
    this.#save({ process: found, state: state === 'starting' ? 'running' : state })
    this.#watch(adoptProcess(found))
    if (state === 'stopping') this.#goOnStopping()
  }

  async #goneUnseen(): Promise<void> {
    const { scope, replica } = this.#record.spec.place
    this.#around.exited(scope, replica)
    await this.#gone({ known: false, code: null, signal: null })
  }

  /** Secrets for a replica whose keeper was killed: it starts if that is what it waited for. */
  giveSecrets(secrets: Secrets): Promise<void> {
    this.#secrets = secrets
    return this.#turn(async () => {
      if (this.#record.state !== 'needs-secrets') return
      this.#save({ state: 'backoff' })
      this.#schedule()
    })
  }

  /** Written down, then signalled. A second call can only bring the end of the grace period nearer. */
  stop(graceMs: number): Promise<void> {
    return this.#turn(async () => {
      const { state, process: running } = this.#record
      const now = this.#around.clock.now()
      if (state === 'exited') return
      if (state === 'stopping') {
        this.#save({ killAtMs: Math.min(this.#record.killAtMs ?? Number.POSITIVE_INFINITY, now + graceMs) })
        return this.#killLater()
      }
      if (running === null) this.#save({ state: 'exited', stopSentAtMs: now, restartAtMs: null })
      else {
        this.#save({ state: 'stopping', stopSentAtMs: now, killAtMs: now + graceMs, signalled: false })
        this.#goOnStopping()
      }
      this.#schedule()
    })
  }

  /** Ends what still runs, undoes what `before` did. The caller forgets the replica then. */
  async remove(): Promise<void> {
    await this.#turn(async () => {
      if (this.#record.process === null) return this.#save({ state: 'exited', restartAtMs: null })
      this.#save({ state: 'stopping', killAtMs: this.#around.clock.now(), signalled: true })
      await this.#kill()
    })
    // The end of a process is a turn of its own.
    await this.#process?.ended
    await this.#turn(async () => {
      clearTimeout(this.#timer)
      removeSecretFiles(this.#record.spec.launch)
      await runLists(this.#record.spec.launch.after, this.#around.signal)
    })
  }

  /** Resolves when its present process is gone. */
  async gone(): Promise<void> {
    await this.#process?.ended
    await this.#last
  }

  /** What the server's checks found of exactly this process. */
  setReadiness(pid: number, readySinceMs: number | null): void {
    if (this.#record.process?.pid !== pid || this.#record.readySinceMs === readySinceMs) return
    this.#save({ readySinceMs, everReady: this.#record.everReady || readySinceMs !== null })
  }

  async #start(): Promise<void> {
    const { launch, place } = this.#record.spec
    const { clock, signal } = this.#around
    const nonce = randomBytes(12).toString('hex')
    const now = clock.now()
    const logOffset = logEnd(this.#log)
    this.#save({ state: 'starting', nonce, restartAtMs: null, processStartedAtMs: now, logOffset, cut: 0 })
    let started: KeptProcess | NotStarted
    const log = openLog(this.#log)
    try {
      if (this.#record.preparedBoot !== bootId()) {
        await runLists(launch.before, signal)
        this.#save({ preparedBoot: bootId() })
      }
      writeSecretFiles(launch, this.#secrets ?? {})
      this.#save({ oomKills: this.#oomKills() })
      started = await spawnLaunch({ launch, secrets: this.#secrets ?? {}, nonce, log })
    } catch (failed) {
      const { message } = failureReport(failed)
      return this.#failed({ startError: 'EUNKNOWN', message: `${place.replica} could not be started: ${message}` })
    } finally {
      closeSync(log)
    }
    if ('startError' in started) return this.#failed(started)
    this.#save({ state: 'running', process: started.identity })
    this.#watch(started)
  }

  #failed(why: NotStarted & { readonly message?: string }): void {
    this.#departed(why)
    this.#schedule()
  }

  #watch(running: KeptProcess): void {
    this.#process = running
    void running.ended.then((ending) => {
      const { scope, replica } = this.#record.spec.place
      // Before the disk: a message that has to be true within 50 ms, and that changes nothing here.
      this.#around.exited(scope, replica)
      this.#later(() => this.#gone(ending))
    })
  }

  async #gone(ending: Ending): Promise<void> {
    const tree = this.#tree()
    this.#departed(ending)
    // What it left behind would hold its port.
    if (tree !== null) await killTree(tree, KILL_TIMEOUT_MS, this.#around.clock, this.#around.signal)
    this.#schedule()
  }

  /** Writes the end down, before anything else is done about it. */
  #departed(ending: Ending | (NotStarted & { readonly message?: string })): void {
    const { launch } = this.#record.spec
    const exit = exitReport({
      launch,
      ending,
      atMs: this.#around.clock.now(),
      outOfMemory: this.#oomKills() > this.#record.oomKills,
      logTail: [
        ...logTail(this.#log, this.#record.logOffset, 20),
        ...('message' in ending && ending.message !== undefined ? [ending.message] : []),
      ],
      cut: this.#record.cut,
    })
    this.#process = null
    const next = afterExit(this.#record, exit, this.#canStart)
    this.#save(next)
    if (next.state === 'exited') removeSecretFiles(launch)
  }

  /** The stop signal, once it can be heard; and the end of the grace period. */
  #goOnStopping(): void {
    const { process: running, signalled, spec, state } = this.#record
    if (running === null || state !== 'stopping') return
    this.#killLater()
    if (signalled) return
    const { signalTo, stopSignal } = spec.launch
    if (!isAlive(running)) return
    if (sendStopSignal(running, signalTo, stopSignal)) this.#save({ signalled: true })
    else setTimeout(() => this.#later(async () => this.#goOnStopping()), SIGNAL_POLL_MS)
  }

  #killLater(): void {
    clearTimeout(this.#timer)
    const inMs = Math.max(0, (this.#record.killAtMs ?? 0) - this.#around.clock.now())
    this.#timer = setTimeout(() => this.#later(() => this.#kill()), Math.min(inMs, 2 ** 31 - 1))
  }

  async #kill(): Promise<void> {
    const tree = this.#tree()
    if (tree === null) return
    const { port } = this.#record.spec.place
    this.#save({ cut: port === null ? 0 : establishedOn(port) })
    await killTree(tree, KILL_TIMEOUT_MS, this.#around.clock, this.#around.signal)
  }

  #schedule(): void {
    if (this.#record.state !== 'backoff') return
    clearTimeout(this.#timer)
    const inMs = Math.max(0, (this.#record.restartAtMs ?? 0) - this.#around.clock.now())
    this.#timer = setTimeout(() => this.#later(() => this.#restart()), inMs)
  }

  async #restart(): Promise<void> {
    if (this.#record.state === 'backoff' && !this.#around.signal.aborted) await this.#start()
  }

  #tree(): ProcessTree | null {
    const { process: root, nonce, spec } = this.#record
    if (root === null || root.bootId !== bootId()) return null
    return { root, mark: `${MARK_NAME}=${nonce}`, cgroups: spec.launch.cgroups }
  }

  #findStarted(): ProcessIdentity | null {
    const pid = findMarked(`${MARK_NAME}=${this.#record.nonce}`)
    return pid === null ? null : identify(pid)
  }

  #oomKills(): number {
    return Math.max(0, ...this.#record.spec.launch.cgroups.map((file) => oomKills(file) ?? 0))
  }

  /** A full disk must not end what runs (F6): the change holds in memory, and goes to disk with the next one that can. */
  #save(change: Partial<ReplicaRecord>): void {
    this.#record = { ...this.#record, ...change }
    try {
      this.#around.ledger.saveReplica(this.#record)
    } catch (failed) {
      this.#around.complain(failed)
    }
    this.#around.changed(this.#record.spec.place.scope)
  }

  /** A turn that nobody waits for. */
  #later(action: () => Promise<void>): void {
    this.#turn(action).catch((failed: unknown) => {
      if (!this.#around.signal.aborted) this.#around.complain(failed)
    })
  }

  #turn<T>(action: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(action)
    this.#last = mine.catch(() => {})
    return mine
  }
}
