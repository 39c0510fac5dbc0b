import { randomBytes } from 'node:crypto'
import { closeSync } from 'node:fs'
import { failureReport } from '../../../model/failure.ts'
import { openLog } from '../../../os/open-log.ts'
import { bootId, identify, isAlive, type ProcessIdentity } from '../../../os/process-identity.ts'
import { exitReport } from './process/exit-report.ts'
import { adoptProcess, type Ending, type KeptProcess } from './process/kept-process.ts'
import type { Surroundings } from './surroundings.ts'
import { logPath, logTail } from './logs/log-file.ts'
import { findMarked, killTree, MARK_NAME } from './process/process-tree.ts'
import type { MigrateRequest, MigrationRecord, Secrets } from './protocol.ts'
import { type NotStarted, removeSecretFiles, runLists, spawnLaunch, writeSecretFiles } from './process/spawn-launch.ts'

const KILL_TIMEOUT_MS = 10_000

/**
 * A migrate command, run once under the name of its revision (design.md 9a). It is never started a second time: whoever comes
 * later gets its end, or `unknown` when a keeper was killed and the end was not seen.
 */
export class KeptMigration {
  #record: MigrationRecord
  #timer: NodeJS.Timeout | undefined
  readonly #around: Surroundings
  readonly #settle: (record: MigrationRecord) => void
  /** Resolves with the last record. */
  readonly ended: Promise<MigrationRecord>

  constructor(record: MigrationRecord, around: Surroundings) {
    this.#record = record
    this.#around = around
    const { promise, resolve } = Promise.withResolvers<MigrationRecord>()
    this.ended = promise
    this.#settle = resolve
  }

  get record(): MigrationRecord {
    return this.#record
  }

  get #log(): string {
    const { scope, replica } = this.#record.spec.place
    return logPath(this.#around.folder, scope, replica)
  }

  async begin(secrets: Secrets): Promise<void> {
    const { launch } = this.#record.spec
    // Must be on disk before anything of it runs.
    this.#around.ledger.saveMigration(this.#record)
    const log = openLog(this.#log, launch.logOwner)
    let started: KeptProcess | NotStarted
    try {
      await runLists(launch.before, this.#around.signal)
      writeSecretFiles(launch, secrets)
      started = await spawnLaunch({ launch, secrets, nonce: this.#record.nonce, log })
    } catch (failed) {
      return this.#end({ startError: 'EUNKNOWN' }, failureReport(failed).message)
    } finally {
      closeSync(log)
    }
    if ('startError' in started)
      return this.#end(started, `${launch.program} could not be started: ${started.startError}`)
    this.#save({ state: 'running', process: started.identity })
    this.#watch(started)
  }

  /** Goes on from what a killed keeper wrote down: a command that still runs is watched, one that ended unseen is unknown. */
  adopt(): void {
    const { state, process: known, nonce } = this.#record
    if (state === 'ended' || state === 'unknown') {
      this.#settle(this.#record)
      return
    }
    const pid = known === null ? findMarked(`${MARK_NAME}=${nonce}`) : known.pid
    const found = known ?? (pid === null ? null : identify(pid))
    if (found !== null && isAlive(found)) {
      this.#save({ state: 'running', process: found })
      this.#watch(adoptProcess(found))
    } else void this.#end({ known: false, code: null, signal: null })
  }

  /** Kills what runs of it and waits for its end: the whole data folder is being shut down. */
  async abandon(): Promise<void> {
    const { process: root, state } = this.#record
    if (state !== 'running' || root === null) return
    await this.#kill(root)
    await this.ended
  }

  #watch(running: KeptProcess): void {
    const inMs = Math.max(0, this.#record.deadlineMs - this.#around.clock.now())
    this.#timer = setTimeout(() => void this.#kill(running.identity), Math.min(inMs, 2 ** 31 - 1))
    void running.ended.then((ending) => this.#end(ending)).catch(this.#around.complain)
  }

  async #kill(root: ProcessIdentity): Promise<void> {
    this.#save({ timedOut: true })
    const { cgroups } = this.#record.spec.launch
    const tree = { root, mark: `${MARK_NAME}=${this.#record.nonce}`, cgroups }
    await killTree(tree, KILL_TIMEOUT_MS, this.#around.clock, this.#around.signal).catch(this.#around.complain)
  }

  async #end(ending: Ending | NotStarted, message?: string): Promise<void> {
    clearTimeout(this.#timer)
    const { launch } = this.#record.spec
    const exit = exitReport({
      launch,
      ending,
      atMs: this.#around.clock.now(),
      outOfMemory: false,
      logTail: [...logTail(this.#log, 0, 20), ...(message === undefined ? [] : [message])],
      cut: 0,
    })
    const root = this.#record.process
    this.#save({ state: exit.known || this.#record.timedOut ? 'ended' : 'unknown', process: null, exit })
    await this.#cleanUp(root).catch(this.#around.complain)
    this.#settle(this.#record)
  }

  async #cleanUp(root: MigrationRecord['process']): Promise<void> {
    const { launch } = this.#record.spec
    const { clock, signal } = this.#around
    if (root !== null && root.bootId === bootId()) {
      const tree = { root, mark: `${MARK_NAME}=${this.#record.nonce}`, cgroups: launch.cgroups }
      await killTree(tree, KILL_TIMEOUT_MS, clock, signal)
    }
    removeSecretFiles(launch)
    await runLists(launch.after, signal)
  }

  #save(change: Partial<MigrationRecord>): void {
    this.#record = { ...this.#record, ...change }
    try {
      this.#around.ledger.saveMigration(this.#record)
    } catch (failed) {
      this.#around.complain(failed)
    }
    this.#around.changed(this.#record.spec.place.scope)
  }
}

/** A migration that nothing is done of yet. */
export const newMigration = (request: MigrateRequest, now: number): MigrationRecord => ({
  spec: request.spec,
  state: 'starting',
  nonce: randomBytes(12).toString('hex'),
  process: null,
  startedAtMs: now,
  deadlineMs: now + request.timeoutMs,
  timedOut: false,
  exit: null,
})
