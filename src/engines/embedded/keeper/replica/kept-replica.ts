import { isAlive, type ProcessIdentity } from '../../../../os/process-identity.ts'
import { establishedOn } from '../../../../os/tcp-table.ts'
import { adoptProcess, type Ending, type KeptProcess } from '../process/kept-process.ts'
import { killTree, sendStopSignal } from '../process/process-tree.ts'
import { neededSecrets, removeSecretFiles, runLists } from '../process/spawn-launch.ts'
import type { Secrets } from '../protocol.ts'
import type { Surroundings } from '../surroundings.ts'
import type { HeldStart } from './held-start.ts'
import { type Departed, KeptRecord } from './kept-record.ts'
import { type ReplicaRecord, stateWithoutProcess } from './replica-record.ts'
import { startHeld, startProcess } from './start-process.ts'

const KILL_TIMEOUT_MS = 10_000
/** How soon to look again whether a program that is still starting can hear its stop signal. */
const SIGNAL_POLL_MS = 50

/**
 * One replica over its whole life. Everything is done in turn (`#turn`), and written down before it is done, so that the
 * keeper may be killed between any two lines and its successor goes on from the record.
 */
export class KeptReplica {
  readonly #kept: KeptRecord
  #secrets: Secrets | null
  #process: KeptProcess | null = null
  #timer: NodeJS.Timeout | undefined
  #last: Promise<unknown> = Promise.resolve()
  readonly #around: Surroundings

  constructor(record: ReplicaRecord, secrets: Secrets | null, around: Surroundings) {
    this.#kept = new KeptRecord(record, around)
    this.#secrets = secrets
    this.#around = around
  }

  get record(): ReplicaRecord {
    return this.#kept.now
  }

  /** null: not known to this keeper. */
  get secrets(): Secrets | null {
    return this.#secrets
  }

  /** Resolves when nothing of it is under way. */
  async settled(): Promise<void> {
    await this.#last
  }

  get log(): string {
    return this.#kept.log
  }

  /** What the record needs to start is known: no secrets, or they were given to this keeper. */
  get #canStart(): boolean {
    return this.#secrets !== null || neededSecrets(this.record.spec.launch).length === 0
  }

  /** First start of a new replica, which may have been made ready before. Resolves when it runs or is known not to. */
  begin(held: HeldStart | null = null): Promise<void> {
    return this.#turn(async () => {
      if (held !== null) return this.#watch(startHeld(this.#kept, held, this.#around.complain))
      this.#kept.create({})
      await this.#start()
    })
  }

  /** Goes on from what a killed keeper wrote down. */
  adopt(): Promise<void> {
    return this.#turn(async () => {
      const { process: known, state } = this.record
      const found = known ?? this.#kept.findStarted()
      if (found !== null && isAlive(found)) return this.#adoptRunning(found)
      if (known !== null) return this.#goneUnseen()
      this.#kept.save({ state: stateWithoutProcess(state, this.#canStart) })
      this.#schedule()
    })
  }

  async #adoptRunning(found: ProcessIdentity): Promise<void> {
    const { state } = this.record
    this.#kept.save({ process: found, state: state === 'starting' ? 'running' : state })
    this.#watch(adoptProcess(found))
    if (state === 'stopping') this.#goOnStopping()
  }

  async #goneUnseen(): Promise<void> {
    const { scope, replica } = this.record.spec.place
    this.#around.exited(scope, replica)
    await this.#gone({ known: false, code: null, signal: null })
  }

  /** Secrets for a replica whose keeper was killed: it starts if that is what it waited for. */
  giveSecrets(secrets: Secrets): Promise<void> {
    this.#secrets = secrets
    return this.#turn(async () => {
      if (this.record.state !== 'needs-secrets') return
      this.#kept.save({ state: 'backoff' })
      this.#schedule()
    })
  }

  /** Written down, then signalled. A second call can only bring the end of the grace period nearer. */
  stop(graceMs: number): Promise<void> {
    return this.#turn(async () => {
      const { state, process: running } = this.record
      const now = this.#around.clock.now()
      if (state === 'exited') return
      if (state === 'stopping') {
        this.#kept.save({ killAtMs: Math.min(this.record.killAtMs ?? Number.POSITIVE_INFINITY, now + graceMs) })
        return this.#killLater()
      }
      if (running === null) this.#kept.save({ state: 'exited', stopSentAtMs: now, restartAtMs: null })
      else {
        this.#kept.save({ state: 'stopping', stopSentAtMs: now, killAtMs: now + graceMs, signalled: false })
        this.#goOnStopping()
      }
      this.#schedule()
    })
  }

  /** Ends what still runs, undoes what `before` did. The caller forgets the replica then. */
  async remove(): Promise<void> {
    await this.#turn(async () => {
      if (this.record.process === null) return this.#kept.save({ state: 'exited', restartAtMs: null })
      this.#kept.save({ state: 'stopping', killAtMs: this.#around.clock.now(), signalled: true })
      await this.#kill()
    })
    // The end of a process is a turn of its own.
    await this.#process?.ended
    await this.#turn(async () => {
      clearTimeout(this.#timer)
      removeSecretFiles(this.record.spec.launch)
      await runLists(this.record.spec.launch.after, this.#around.signal)
    })
  }

  /** Resolves when its present process is gone. */
  async gone(): Promise<void> {
    await this.#process?.ended
    await this.#last
  }

  /** What the server's checks found of exactly this process. */
  setReadiness(pid: number, readySinceMs: number | null): void {
    if (this.record.process?.pid !== pid || this.record.readySinceMs === readySinceMs) return
    this.#kept.save({ readySinceMs, everReady: this.record.everReady || readySinceMs !== null })
  }

  async #start(): Promise<void> {
    const started = await startProcess(this.#kept, this.#secrets ?? {}, this.#around)
    if (!('startError' in started)) return this.#watch(started)
    this.#departed(started)
    this.#schedule()
  }

  #watch(running: KeptProcess): void {
    this.#process = running
    void running.ended.then((ending) => {
      const { scope, replica } = this.record.spec.place
      // Before the disk: a message that has to be true within 50 ms, and that changes nothing here.
      this.#around.exited(scope, replica)
      this.#later(() => this.#gone(ending))
    })
  }

  async #gone(ending: Ending): Promise<void> {
    const tree = this.#kept.tree
    this.#departed(ending)
    // What it left behind would hold its port.
    if (tree !== null) await killTree(tree, KILL_TIMEOUT_MS, this.#around.clock, this.#around.signal)
    this.#schedule()
  }

  /** Writes the end down, before anything else is done about it. */
  #departed(how: Departed): void {
    this.#process = null
    this.#kept.saveEnd(how, this.#canStart)
  }

  /** The stop signal, once it can be heard; and the end of the grace period. */
  #goOnStopping(): void {
    const { process: running, signalled, spec, state } = this.record
    if (running === null || state !== 'stopping') return
    this.#killLater()
    if (signalled) return
    const { signalTo, stopSignal } = spec.launch
    if (!isAlive(running)) return
    if (sendStopSignal(running, signalTo, stopSignal)) this.#kept.save({ signalled: true })
    else setTimeout(() => this.#later(async () => this.#goOnStopping()), SIGNAL_POLL_MS)
  }

  #killLater(): void {
    clearTimeout(this.#timer)
    const inMs = Math.max(0, (this.record.killAtMs ?? 0) - this.#around.clock.now())
    this.#timer = setTimeout(() => this.#later(() => this.#kill()), Math.min(inMs, 2 ** 31 - 1))
  }

  async #kill(): Promise<void> {
    const tree = this.#kept.tree
    if (tree === null) return
    const { port } = this.record.spec.place
    this.#kept.save({ cut: port === null ? 0 : establishedOn(port) })
    await killTree(tree, KILL_TIMEOUT_MS, this.#around.clock, this.#around.signal)
  }

  #schedule(): void {
    if (this.record.state !== 'backoff') return
    clearTimeout(this.#timer)
    const inMs = Math.max(0, (this.record.restartAtMs ?? 0) - this.#around.clock.now())
    this.#timer = setTimeout(() => this.#later(() => this.#restart()), inMs)
  }

  async #restart(): Promise<void> {
    if (this.record.state === 'backoff' && !this.#around.signal.aborted) await this.#start()
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
