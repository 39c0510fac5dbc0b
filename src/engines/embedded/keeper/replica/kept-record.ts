import { oomKills } from '../../../../os/cgroup.ts'
import { bootId, identify, type ProcessIdentity } from '../../../../os/process-identity.ts'
import { logPath, logTail } from '../logs/log-file.ts'
import { exitReport } from '../process/exit-report.ts'
import type { Ending } from '../process/kept-process.ts'
import { findMarked, MARK_NAME, type ProcessTree } from '../process/process-tree.ts'
import { type NotStarted, removeSecretFiles } from '../process/spawn-launch.ts'
import type { Surroundings } from '../surroundings.ts'
import { afterExit, type ReplicaRecord } from './replica-record.ts'

const LOG_LINES = 20

/** How a process ended, or why it never was; `message`: for people. */
export type Departed = Ending | (NotStarted & { readonly message?: string })

/** The record of one replica: each change of it is on the disk, and told to servers, before anything is done about it. */
export class KeptRecord {
  #now: ReplicaRecord
  readonly #around: Surroundings

  constructor(record: ReplicaRecord, around: Surroundings) {
    this.#now = record
    this.#around = around
  }

  get now(): ReplicaRecord {
    return this.#now
  }

  get log(): string {
    const { scope, replica } = this.#now.spec.place
    return logPath(this.#around.folder, scope, replica)
  }

  /** What its present process started; null: it has none, or of an earlier boot. */
  get tree(): ProcessTree | null {
    const { process: root, nonce, spec } = this.#now
    if (root === null || root.bootId !== bootId()) return null
    return { root, mark: `${MARK_NAME}=${nonce}`, cgroups: spec.launch.cgroups }
  }

  /** The process that was started and not written down any more. */
  findStarted(): ProcessIdentity | null {
    if (this.#now.nonce === '') return null
    const pid = findMarked(`${MARK_NAME}=${this.#now.nonce}`)
    return pid === null ? null : identify(pid)
  }

  /** How often the kernel has killed in its cgroups for want of memory. */
  oomKills(): number {
    return Math.max(0, ...this.#now.spec.launch.cgroups.map((file) => oomKills(file) ?? 0))
  }

  /** The first time, which must succeed, unlike later changes: what is not written down is not started. Throws DISK_FULL. */
  create(change: Partial<ReplicaRecord>): void {
    this.#now = { ...this.#now, ...change }
    this.#around.ledger.saveReplica(this.#now)
  }

  /** A full disk must not end what runs (F6): the change holds in memory, and goes to disk with the next one that can. */
  save(change: Partial<ReplicaRecord>): void {
    this.#now = { ...this.#now, ...change }
    try {
      this.#around.ledger.saveReplica(this.#now)
    } catch (failed) {
      this.#around.complain(failed)
    }
    this.tell()
  }

  tell(): void {
    this.#around.changed(this.#now.spec.place.scope)
  }

  /** The end of its process. `canStart`: all that it needs to start again is known. */
  saveEnd(departed: Departed, canStart: boolean): void {
    const { launch } = this.#now.spec
    const exit = exitReport({
      launch,
      ending: departed,
      atMs: this.#around.clock.now(),
      outOfMemory: this.oomKills() > this.#now.oomKills,
      logTail: [
        ...logTail(this.log, this.#now.logOffset, LOG_LINES),
        ...('message' in departed && departed.message !== undefined ? [departed.message] : []),
      ],
      cut: this.#now.cut,
    })
    this.save(afterExit(this.#now, exit, canStart))
    if (this.#now.state === 'exited') removeSecretFiles(launch)
  }
}
