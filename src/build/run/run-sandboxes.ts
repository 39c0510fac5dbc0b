import { join } from 'node:path'
import { type AddOptions, AddSources } from '../add/add-sources.ts'
import type { SpooledContents } from '../base/layer-content.ts'
import type { BuildRequest } from '../builder.ts'
import { CacheFolders } from './kept/cache-folders.ts'
import { findRuntime, RUNTIMES, type RuntimeName } from '../sandbox/find-runtime.ts'
import { LowerFolders } from './kept/lower-folders.ts'
import { findPrivileges, type Privileges } from '../sandbox/privileges.ts'
import { keptState, pruneAll, type Pruned, pruneSandboxes } from './kept/prune-sandboxes.ts'
import { RunResults } from './kept/run-results.ts'
import { RunSteps } from './run-steps.ts'
import { NO_LIMITS } from '../sandbox/run-limits.ts'
import { sweepCgroups } from '../sandbox/sweep-cgroups.ts'
import { findTools } from '../sandbox/tools.ts'
import { sweepWorkFolders } from '../sandbox/work-folder.ts'

export interface SandboxOptions {
  /** Default: runc, then crun. None: namespaces alone. */
  readonly runtimes?: readonly RuntimeName[]
  /** One RUN may take so long. Default: an hour. */
  readonly runTimeoutMs?: number
  /** What results of RUNs and unpacked layers may take on disk; the oldest go first. Default: 20 GiB. */
  readonly mostBytes?: number
}

const HOUR_MS = 3600_000

/** All that RUNs of a cache folder keep on this machine, and what they need to start. Shared by the builds of one process. */
export class RunSandboxes {
  readonly #folder: string
  readonly #options: SandboxOptions
  readonly #privileges: Privileges
  #runtime: Promise<string | null> | null = null
  #builds = 0
  /** State of what is kept when it was pruned last. */
  #pruned = ''
  #cleaning: Promise<void> = Promise.resolve()

  constructor(folder: string, options: SandboxOptions) {
    this.#folder = folder
    this.#options = options
    this.#privileges = findPrivileges(findTools(process.env.PATH ?? ''))
  }

  /** Around a build: before the first of several, what killed ones left and what is too much is removed. */
  async during<Value>(build: () => Promise<Value>): Promise<Value> {
    this.#builds += 1
    if (this.#builds === 1) this.#cleaning = this.#cleaning.catch(() => {}).then(() => this.#clean())
    try {
      await this.#cleaning
      return await build()
    } finally {
      this.#builds -= 1
    }
  }

  /** Removes all that is kept; builds that begin meanwhile wait. null: builds run, so that everything stays. */
  async prune(dryRun: boolean, signal: AbortSignal): Promise<Pruned | null> {
    if (dryRun) return pruneAll(this.#folder, null, signal)
    if (this.#builds > 0) return null
    const pruning = this.#cleaning
      .catch(() => {})
      .then(() => pruneAll(this.#folder, (path) => this.#remove(path), signal))
    this.#cleaning = pruning.then(() => {})
    return pruning
  }

  /** What ADD takes from elsewhere; `own`: a folder of the build's own. */
  adds(options: AddOptions, own: () => Promise<string>): AddSources {
    return new AddSources(options, { keep: (name) => join(this.#folder, name), work: join(this.#folder, 'work'), own })
  }

  /** `certificates`: what RUN trusts besides its image; null: nothing. */
  steps(request: BuildRequest, contents: SpooledContents, certificates: string | null): RunSteps {
    const privileges = this.#privileges
    const work = join(this.#folder, 'work')
    const lowers = new LowerFolders(join(this.#folder, 'lowers'), work, privileges, contents)
    return new RunSteps({
      ...{ work, lowers, privileges, certificates },
      results: new RunResults(join(this.#folder, 'runs'), join(this.#folder, 'renewed')),
      fresh: request.fresh ?? false,
      caches: new CacheFolders(join(this.#folder, 'caches'), work, lowers, privileges),
      runtime: (signal) => this.#findRuntime(signal),
      secrets: request.secrets ?? {},
      ssh: request.ssh ?? {},
      timeoutMs: request.runLimits?.timeoutMs ?? this.#options.runTimeoutMs ?? HOUR_MS,
      limits: request.runLimits ?? NO_LIMITS,
    })
  }

  /** Tried once; one that was interrupted is tried again. */
  #findRuntime(signal: AbortSignal): Promise<string | null> {
    this.#runtime ??= findRuntime(
      this.#options.runtimes ?? RUNTIMES,
      join(this.#folder, 'work'),
      this.#privileges,
      signal,
    ).catch((failed: unknown) => {
      this.#runtime = null
      throw failed
    })
    return this.#runtime
  }

  async #clean(): Promise<void> {
    await this.sweep()
    const state = await keptState(this.#folder)
    if (state === this.#pruned) return
    this.#pruned = state
    await pruneSandboxes(this.#folder, this.#options.mostBytes ?? 20 * 2 ** 30, (path) => this.#remove(path))
  }

  /** Removes the folders and cgroups of RUNs whose process is gone. */
  async sweep(): Promise<void> {
    await sweepWorkFolders(join(this.#folder, 'work'), async (path) => {
      await sweepCgroups(path)
      await this.#remove(path)
    })
  }

  #remove(path: string): Promise<void> {
    return this.#privileges.remove(path, new AbortController().signal)
  }
}
