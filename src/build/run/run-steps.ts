import { createHash } from 'node:crypto'
import { canonicalJson } from '../../lib/canonical-json.ts'
import { diskFull } from '../../model/disk-full.ts'
import type { RunLimits } from '../builder.ts'
import type { LayerSource } from '../base/read-layer.ts'
import { failureAt } from '../dockerfile/place.ts'
import { EARLIEST } from '../image/file-time.ts'
import type { FileTree } from '../image/file-tree.ts'
import { resolvePath } from '../image/resolve-path.ts'
import type { Layer } from '../image/layer.ts'
import { listUpper, settleTimes } from './kept/collect-upper.ts'
import type { CacheFolders } from './kept/cache-folders.ts'
import type { LowerFolders } from './kept/lower-folders.ts'
import { mountPoints } from '../sandbox/mount-points.ts'
import type { Privileges } from '../sandbox/privileges.ts'
import { stepFailed } from './run-failure.ts'
import { redactor } from './redactor.ts'
import { bindKeys, type MountSources, prepareMounts } from './run-mounts.ts'
import type { RunResult, RunResults } from './kept/run-results.ts'
import type { RunStep } from './run-step.ts'
import { runUser } from './run-user.ts'
import { forgetTrust, type Trust, trustIn } from './trust.ts'
import { type Ended, machineFiles, placeScript, runSandboxed, type Sandboxed } from '../sandbox/sandbox.ts'
import { sweepCgroups } from '../sandbox/sweep-cgroups.ts'
import { WorkFolder } from '../sandbox/work-folder.ts'

/** Where a RUN stands: everything below it. */
export interface Standing {
  readonly base: readonly LayerSource[]
  /** The file system of the base. */
  readonly baseTree: () => Promise<FileTree>
  readonly layers: readonly Layer[]
  /** What all of it shows together. */
  readonly tree: () => Promise<FileTree>
  readonly readText: (path: string) => Promise<string | null>
  readonly filesOf: MountSources['filesOf']
}

/** What a RUN tells of itself. */
export interface RunTelling {
  /** It was done before: nothing is carried out. */
  found(): void
  /** It is carried out now. */
  missed(): void
  /** A line of its output. */
  line(text: string): void
}

export interface RunStepsOptions {
  /** Where work folders are made. */
  readonly work: string
  readonly results: RunResults
  readonly lowers: LowerFolders
  readonly caches: CacheFolders
  readonly privileges: Privileges
  /** An OCI runtime that works here, or null. */
  readonly runtime: (signal: AbortSignal) => Promise<string | null>
  readonly secrets: MountSources['secrets']
  readonly ssh: MountSources['ssh']
  readonly timeoutMs: number
  readonly limits: RunLimits
  /** Trusted besides what the image has; null: nothing. */
  readonly certificates: string | null
  /** Nothing that was done before is taken. */
  readonly fresh: boolean
}

/** Where a RUN that is carried out stands. */
type Executing = Omit<Standing, 'tree'> & { readonly tree: FileTree }

const FORM = 'naru-run-2'
/** Lines of output in a failure: where a tool says what went wrong. */
const LAST_LINES = 20
/** Later than any time that is made from content (file-time.ts): what a RUN left is newer than what was copied before it. */
const RUN_TIME = EARLIEST + 2 ** 28

/** Links in /proc lead out of any root (CVE-2024-21626). */
function checkFolder({ cwd, place }: RunStep, tree: FileTree): void {
  const path = resolvePath(tree, cwd)?.path ?? ''
  if (!/^(proc|sys|dev)(\/|$)/.test(path)) return
  throw failureAt('BUILD_PATH_ESCAPES', place, `${cwd} cannot be the folder of a RUN`, 'Choose another WORKDIR.')
}

/** Carries RUNs out, or finds what they did before. */
export class RunSteps {
  readonly #options: RunStepsOptions

  constructor(options: RunStepsOptions) {
    this.#options = options
  }

  /** Throws BUILD_RUN_FAILED, ISOLATION_UNAVAILABLE, DISK_FULL, BUILD_SOURCE_INVALID. */
  async run(step: RunStep, standing: Standing, telling: RunTelling, signal: AbortSignal): Promise<RunResult> {
    const key = await this.#key(step, standing, signal)
    const { results, fresh } = this.#options
    const known = fresh ? undefined : await results.find(key)
    if (known !== undefined) {
      telling.found()
      return known
    }
    telling.missed()
    const work = await WorkFolder.make(this.#options.work)
    try {
      const tree = await standing.tree()
      return await this.#execute(key, step, { ...standing, tree, work, line: telling.line }, signal)
    } catch (failed) {
      throw diskFull(failed, `running ${step.text.slice(0, 80)}`)
    } finally {
      await sweepCgroups(work.path)
      await this.#options.privileges.remove(work.path, new AbortController().signal)
    }
  }

  /** Equal keys are equal inputs: what is below, the command, and all that it may see but proxies and the values of secrets. */
  async #key(step: RunStep, { base, layers, filesOf }: Standing, signal: AbortSignal): Promise<string> {
    const below = [...base.map(({ diffId }) => diffId)]
    for (const layer of layers) below.push(await layer.name(signal))
    const { secrets, ssh, lowers } = this.#options
    below.push(...(await bindKeys(step, { filesOf, secrets, ssh }, lowers, signal)))
    const { place: _, text: __, proxies: ___, ...inputs } = step
    return createHash('sha256')
      .update(canonicalJson([FORM, below, inputs]))
      .digest('hex')
  }

  async #execute(
    key: string,
    step: RunStep,
    standing: Executing & { readonly work: WorkFolder; readonly line: RunTelling['line'] },
    signal: AbortSignal,
  ): Promise<RunResult> {
    const { work } = standing
    const { timeoutMs, results, privileges, secrets, certificates, fresh } = this.#options
    checkFolder(step, standing.tree)
    const user = runUser(
      step.user,
      { passwd: await standing.readText('etc/passwd'), group: await standing.readText('etc/group') },
      step.place,
    )
    const last: string[] = []
    const hide = redactor(Object.values(secrets))
    const onLine = (written: string) => {
      const line = hide(written)
      last.push(line)
      if (last.length > LAST_LINES) last.shift()
      standing.line(line)
    }
    // A second for clocks that are not read at the same instant.
    const startedAt = Math.floor(Date.now() / 1000) - 1
    const trust = await trustIn(certificates, standing, work)
    const ended = await this.#sandboxed({ step, user, work, onLine }, standing, trust, signal)
    if (ended.code !== 0) throw stepFailed(step, ended, timeoutMs, last)
    await forgetTrust(certificates, trust, work, privileges, signal)
    const upper = work.at('upper')
    const listing = await listUpper(upper, startedAt, privileges, signal)
    await settleTimes(upper, listing.touched, RUN_TIME + standing.layers.length, privileges, signal)
    const left = listing.layer(standing.tree)
    return fresh ? results.renew(key, upper, left) : results.keep(key, upper, left)
  }

  async #sandboxed(
    what: Pick<Sandboxed, 'step' | 'user' | 'work' | 'onLine'>,
    standing: Executing,
    trust: Trust,
    signal: AbortSignal,
  ): Promise<Ended> {
    const { timeoutMs, limits, privileges, runtime, secrets, ssh, lowers, caches } = this.#options
    const { step, work } = what
    const { tree, filesOf } = standing
    const mounts = await prepareMounts(step, { filesOf, secrets, ssh }, { work, lowers, caches, tree }, signal)
    try {
      const texts = [...(await machineFiles(work, tree)), ...trust.texts]
      await placeScript(step, work)
      const points = [...texts.map(({ target }) => [target, 'file'] as const), ...mounts.stubs]
      await lowers.unpack(new Map([...mountPoints(points, tree), ...trust.over]), work.at('stubs'), signal)
      const below = { lowers: await this.#lowers(standing, signal), mounts, texts, trustEnv: trust.env }
      return await runSandboxed(
        { ...what, ...below, timeoutMs, limits, runtime: await runtime(signal) },
        privileges,
        signal,
      )
    } finally {
      mounts.release()
    }
  }

  /** The folders of an overlay, top first. The kernel refuses one that is there twice (ELOOP): the topmost hides the others anyway. */
  async #lowers({ base, baseTree, layers, tree }: Executing, signal: AbortSignal): Promise<readonly string[]> {
    const { lowers } = this.#options
    const found: string[] = []
    if (base.length > 0) {
      found.push(await lowers.ofImage(base.map(({ diffId }) => diffId).join(), await baseTree(), signal))
    }
    for (const layer of layers) found.push(layer.upper ?? (await lowers.ofLayer(await layer.entries(), tree, signal)))
    return [...new Set(found.reverse())]
  }
}
