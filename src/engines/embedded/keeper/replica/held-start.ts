import { randomBytes } from 'node:crypto'
import { closeSync } from 'node:fs'
import type { Clock } from '../../../../lib/clock.ts'
import type { Launch } from '../../launch.ts'
import { openLog } from '../../../../os/open-log.ts'
import { isAlive } from '../../../../os/process-identity.ts'
import type { KeptProcess } from '../process/kept-process.ts'
import { logPath } from '../logs/log-file.ts'
import { killTree, MARK_NAME } from '../process/process-tree.ts'
import type { Secrets } from '../protocol.ts'
import type { ReplicaSpec } from './replica-record.ts'
import { type HeldChild, removeSecretFiles, runLists, spawnHeld, writeSecretFiles } from '../process/spawn-launch.ts'

const KILL_TIMEOUT_MS = 10_000

/** What holding needs of the keeper around it. */
export interface Holder {
  readonly folder: string
  readonly clock: Clock
  /** Into the keeper's own log: what failed with nobody waiting for it. */
  readonly complain: (thrown: unknown) => void
  /** Aborted when the keeper ends. */
  readonly signal: AbortSignal
}

/**
 * A replica's next start, made ready as far as its program: namespaces and mounts are there, and a process in them waits. Nothing of
 * it is written down: it ends by itself when its keeper is gone.
 */
export class HeldStart {
  readonly spec: ReplicaSpec
  readonly nonce: string
  readonly #child: HeldChild
  readonly #around: Holder

  private constructor(spec: ReplicaSpec, nonce: string, child: HeldChild, around: Holder) {
    this.spec = spec
    this.nonce = nonce
    this.#child = child
    this.#around = around
  }

  /** null: it could not be started, which the start that it is for finds out anew, and tells. */
  static async make(spec: ReplicaSpec, secrets: Secrets, around: Holder): Promise<HeldStart | null> {
    const { launch, place } = spec
    const nonce = randomBytes(12).toString('hex')
    const log = openLog(logPath(around.folder, place.scope, place.replica), launch.logOwner)
    try {
      await runLists(launch.before, around.signal)
      writeSecretFiles(launch, secrets)
      const child = await spawnHeld({ launch, secrets, nonce, log })
      return 'startError' in child ? null : new HeldStart(spec, nonce, child, around)
    } finally {
      closeSync(log)
    }
  }

  get process(): KeptProcess {
    return this.#child
  }

  /** Whether it still waits, for exactly this launch. */
  isFor(launch: Launch): boolean {
    return isAlive(this.#child.identity) && JSON.stringify(launch) === JSON.stringify(this.spec.launch)
  }

  /** It becomes the program. */
  open(): void {
    this.#child.door.end('\n')
  }

  /** Ends it, with what it has made. */
  async drop(): Promise<void> {
    const { launch } = this.spec
    this.#child.door.destroy()
    const tree = {
      root: this.#child.identity,
      mark: `${MARK_NAME}=${this.nonce}`,
      cgroups: launch.cgroups,
    }
    await killTree(tree, KILL_TIMEOUT_MS, this.#around.clock, this.#around.signal)
    removeSecretFiles(launch)
    await runLists(launch.after, this.#around.signal)
  }
}
