import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { canonicalJson } from '../../lib/canonical-json.ts'
import { diskFull } from '../../model/disk-full.ts'
import type { Report } from '../../model/event.ts'
import { run } from '../../os/run.ts'
import type { LayerSource } from '../base/read-layer.ts'
import { failureAt } from '../dockerfile/place.ts'
import type { Added } from '../image/file-entry.ts'
import { EARLIEST } from '../image/file-time.ts'
import type { FileTree } from '../image/file-tree.ts'
import { resolvePath } from '../image/resolve-path.ts'
import { layerKey, settleLayer } from '../image/make-layer.ts'
import type { CacheFolders } from './kept/cache-folders.ts'
import type { LowerFolders } from './kept/lower-folders.ts'
import { mountPoints } from '../sandbox/mount-points.ts'
import type { Privileges } from '../sandbox/privileges.ts'
import { stepFailed } from './run-failure.ts'
import { redactor } from './redactor.ts'
import { bindKeys, type MountSources, prepareMounts } from './run-mounts.ts'
import { ContentPack } from './kept/packed-contents.ts'
import { PACK, type RunResult, type RunResults } from './kept/run-results.ts'
import type { RunStep } from './run-step.ts'
import { runUser } from './run-user.ts'
import { machineFiles, placeScript, runSandboxed } from '../sandbox/sandbox.ts'
import { TOOL_ENV, tool } from '../sandbox/tools.ts'
import { readUpperArchive } from './kept/upper-archive.ts'
import { UpperListing } from './kept/upper-layer.ts'
import { WorkFolder } from '../sandbox/work-folder.ts'

/** A layer that a stage has so far; of a RUN with the folder that it left. */
export interface StageLayer {
  readonly added: Added
  readonly upper: string | null
}

/** Where a RUN stands: everything below it. */
export interface Standing {
  readonly base: readonly LayerSource[]
  /** The file system of the base. */
  readonly baseTree: () => Promise<FileTree>
  readonly layers: readonly StageLayer[]
  /** What all of it shows together. */
  readonly tree: FileTree
  readonly readText: (path: string) => Promise<string | null>
  readonly filesOf: MountSources['filesOf']
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
  readonly report: Report
}

const FORM = 'naru-run-1'
/** Lines of output in a failure: where a tool says what went wrong. */
const LAST_LINES = 20
const ARCHIVE_MS = 3600_000
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
  readonly #keys = new WeakMap<Added, Promise<string>>()

  constructor(options: RunStepsOptions) {
    this.#options = options
  }

  /** Throws BUILD_RUN_FAILED, ISOLATION_UNAVAILABLE, DISK_FULL, BUILD_SOURCE_INVALID. */
  async run(step: RunStep, standing: Standing, signal: AbortSignal): Promise<RunResult & { readonly cached: boolean }> {
    const key = await this.#key(step, standing, signal)
    const known = await this.#options.results.find(key)
    if (known !== null) return { ...known, cached: true }
    const work = await WorkFolder.make(this.#options.work)
    try {
      return { ...(await this.#execute(key, step, standing, work, signal)), cached: false }
    } catch (failed) {
      throw diskFull(failed, `running ${step.text.slice(0, 80)}`)
    } finally {
      await this.#options.privileges.remove(work.path, new AbortController().signal)
    }
  }

  /** Equal keys are equal inputs: what is below, the command, and all that it may see but proxies and the values of secrets. */
  async #key(step: RunStep, { base, layers, filesOf }: Standing, signal: AbortSignal): Promise<string> {
    const below = [...base.map(({ diffId }) => diffId)]
    for (const { added } of layers) below.push(await this.#layerKey(added, signal))
    const { secrets, ssh, lowers } = this.#options
    below.push(...(await bindKeys(step, { filesOf, secrets, ssh }, lowers, signal)))
    const { place: _, text: __, proxies: ___, ...inputs } = step
    return createHash('sha256')
      .update(canonicalJson([FORM, below, inputs]))
      .digest('hex')
  }

  #layerKey(added: Added, signal: AbortSignal): Promise<string> {
    const known = this.#keys.get(added)
    if (known !== undefined) return known
    const key = settleLayer(added, signal).then(layerKey)
    this.#keys.set(added, key)
    return key
  }

  async #execute(
    key: string,
    step: RunStep,
    standing: Standing,
    work: WorkFolder,
    signal: AbortSignal,
  ): Promise<RunResult> {
    const { timeoutMs, report, results, privileges, runtime, secrets, ssh, lowers, caches } = this.#options
    checkFolder(step, standing.tree)
    const user = runUser(
      step.user,
      { passwd: await standing.readText('etc/passwd'), group: await standing.readText('etc/group') },
      step.place,
    )
    const { tree, filesOf } = standing
    const sources: MountSources = { filesOf, secrets, ssh }
    const mounts = await prepareMounts(step, sources, { work, lowers, caches, tree }, signal)
    const texts = await machineFiles(work, tree)
    await placeScript(step, work)
    const points = [...texts.map(({ target }) => [target, 'file'] as const), ...mounts.stubs]
    await lowers.unpack(mountPoints(points, tree), work.at('stubs'), signal)
    const last: string[] = []
    const hide = redactor(Object.values(secrets))
    const onLine = (written: string) => {
      const line = hide(written)
      last.push(line)
      if (last.length > LAST_LINES) last.shift()
      report({ kind: 'log', from: `RUN line ${step.place.line}`, line })
    }
    // A second for clocks that are not read at the same instant.
    const startedAt = Math.floor(Date.now() / 1000) - 1
    const folders = await this.#lowers(standing, signal)
    const ended = await runSandboxed(
      { step, user, lowers: folders, mounts, texts, work, timeoutMs, onLine, runtime: await runtime(signal) },
      privileges,
      signal,
    ).finally(() => mounts.release())
    if (ended.code !== 0) throw stepFailed(step, ended, timeoutMs, last)
    const listing = await this.#list(work.at('upper'), startedAt, signal)
    await this.#settleTimes(work.at('upper'), listing.touched, RUN_TIME + standing.layers.length, signal)
    return results.keep(key, work.at('upper'), listing.layer(standing.tree))
  }

  /** The folders of an overlay, top first. */
  async #lowers({ base, baseTree, layers, tree }: Standing, signal: AbortSignal): Promise<readonly string[]> {
    const { lowers } = this.#options
    const found: string[] = []
    if (base.length > 0) {
      found.push(await lowers.ofImage(base.map(({ diffId }) => diffId).join(), await baseTree(), signal))
    }
    for (const { added, upper } of layers) found.push(upper ?? (await lowers.ofLayer(added, tree, signal)))
    return found.reverse()
  }

  async #list(upper: string, startedAt: number, signal: AbortSignal): Promise<UpperListing> {
    const { privileges } = this.#options
    const pack = privileges.userNamespace ? new ContentPack(join(dirname(upper), PACK)) : null
    const listing = new UpperListing(startedAt, pack)
    const [program, args] = privileges.command([
      tool(privileges.tools, 'tar'),
      ...['--create', '--file=-', '--format=posix', '--numeric-owner', '--sort=name', '--blocking-factor=512'],
      ...['--xattrs', '--xattrs-include=*', `--directory=${upper}`, '.'],
    ])
    const { code, stderr } = await run(program, args, {
      env: TOOL_ENV,
      cwd: '/',
      timeoutMs: ARCHIVE_MS,
      signal,
      onStdout: (stream) => readUpperArchive(stream, (entry) => listing.take(entry)),
    }).finally(() => pack?.close())
    if (code !== 0) throw new Error(`tar ended with ${code}: ${stderr.trim().slice(-400)}`)
    return listing
  }

  /** Times of what a RUN made are the same on every machine, and in the order of the layers. */
  async #settleTimes(upper: string, paths: readonly string[], seconds: number, signal: AbortSignal): Promise<void> {
    const { privileges } = this.#options
    const { tools } = privileges
    const [program, args] = privileges.command([
      ...[tool(tools, 'xargs'), '--null', '--no-run-if-empty', '--max-chars=100000'],
      ...[tool(tools, 'touch'), '--no-dereference', '--no-create', `--date=@${seconds}`, '--'],
    ])
    const input = paths.map((path) => `${join(upper, path)}\0`).join('')
    const { code, stderr } = await run(program, args, { env: TOOL_ENV, cwd: '/', input, timeoutMs: ARCHIVE_MS, signal })
    if (code !== 0) throw new Error(`touch ended with ${code}: ${stderr.trim().slice(-400)}`)
  }
}
