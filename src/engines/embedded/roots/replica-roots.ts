import { realpathSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Scope } from '../../../model/app.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Release } from '../../../model/release.ts'
import { makeFolder } from '../../../os/atomic-file.ts'
import type { ContentStore } from '../../../registry/content-store.ts'
import type { Isolation, Launch, ReplicaPlace, ReplicaRoots } from '../launch.ts'
import { isReplicaName } from '../replica-logs.ts'
import { Cgroups } from './limits/cgroups.ts'
import { makeDeviceNodes } from './device-nodes.ts'
import { ImageFiles } from './image/image-files.ts'
import { findIsolation } from './start/isolation.ts'
import { isolationNotes } from './start/isolation-notes.ts'
import { LayerStore } from './layers/layer-store.ts'
import { removeTree } from './layers/remove-tree.ts'
import type { PreparedRelease } from './image/prepared-release.ts'
import { UnpackedReleases } from './image/unpacked-releases.ts'
import { ReplicaFolders } from './replica-folders.ts'
import { replicaProgram, type Wanted } from './image/replica-program.ts'
import { draftLaunch } from './launch-draft.ts'
import { formExec, formLaunch } from './form-launch.ts'
import { keyOf, layerFiles, type RootsParts } from './roots-parts.ts'
import { SecretFolder } from './secret-folder.ts'
import { findTools } from './start/tools.ts'

export interface ReplicaRootsOptions {
  /** The embedded engine's part of the data folder. */
  readonly folder: string
  /** Part of every name that we make in the kernel and in shared folders. */
  readonly instanceId: string
  readonly images: Pick<ContentStore, 'readBlob' | 'readManifest'>
  readonly clock: Clock
  /** Default: the strongest that works. */
  readonly isolation?: Isolation
  readonly signal?: AbortSignal
}

export interface OpenReplicaRoots extends ReplicaRoots {
  readonly limits: readonly ('cpu' | 'memory')[]
  /** Sentences for plan, doctor and receipt. */
  readonly notes: readonly string[]
  /** Why each stronger isolation was not taken. */
  readonly why: readonly string[]
  /** Removes what is left of all replicas, also of one that a killed server made ready and never started. Nothing may run. */
  removeAll(signal: AbortSignal): Promise<void>
}

/** Opens the folder, removes what a killed process left, and finds out what the machine allows. */
export async function openReplicaRoots(options: ReplicaRootsOptions): Promise<OpenReplicaRoots> {
  const signal = options.signal ?? new AbortController().signal
  await makeFolder(options.folder, 0o700)
  const folder = realpathSync(options.folder)
  for (const name of await readdir(folder)) if (name.startsWith('.probe-')) removeTree(join(folder, name))
  const owners = process.geteuid?.() === 0
  const layers = await LayerStore.open(join(folder, 'layers'), { owners })
  const folders = new ReplicaFolders(join(folder, 'replicas'), layers)
  await folders.sweep()
  const tools = findTools(process.env.PATH ?? '')
  const enter = join(import.meta.dirname, 'start', 'enter.sh')
  const search = { folder, tools, enter, forced: options.isolation ?? null, signal }
  const found = await findIsolation(search)
  const nodes = found.isolation === 'chroot' && (await makeDeviceNodes(join(folder, 'devices'), tools, signal))
  const cgroups = Cgroups.open(options.instanceId)
  const secrets = SecretFolder.find(options.instanceId)
  const notes = isolationNotes(found, { limits: cgroups.limits, nodes, secretsInMemory: secrets !== null })
  const { images, clock } = options
  const parts = { folder, owners, layers, folders, tools, enter, found, cgroups, secrets, images, clock }
  return new EmbeddedRoots(parts, notes)
}

class EmbeddedRoots implements OpenReplicaRoots {
  readonly isolation: Isolation
  readonly limits: readonly ('cpu' | 'memory')[]
  readonly notes: readonly string[]
  readonly why: readonly string[]
  readonly #parts: RootsParts
  readonly #releases: UnpackedReleases

  constructor(parts: RootsParts, notes: readonly string[]) {
    this.#parts = parts
    const { images, layers } = parts
    this.#releases = new UnpackedReleases({ folder: join(parts.folder, 'releases'), images, layers })
    this.isolation = parts.found.isolation
    this.why = parts.found.why
    this.limits = parts.cgroups.limits
    this.notes = notes
  }

  async prepare(release: Release, signal: AbortSignal): Promise<void> {
    await this.#releases.prepare(release, signal)
  }

  launch(place: ReplicaPlace, release: Release, signal: AbortSignal): Promise<Launch> {
    return this.#launch({ kind: 'role' }, place, release, signal)
  }

  async settle({ scope, replica }: ReplicaPlace, signal: AbortSignal): Promise<void> {
    const { folders, found } = this.#parts
    await folders.settle(keyOf(scope, replica), found.overlay, signal)
  }

  launchOnce(place: ReplicaPlace, release: Release, command: readonly string[], signal: AbortSignal): Promise<Launch> {
    return this.#launch({ kind: 'once', command }, place, release, signal)
  }

  async exec(place: ReplicaPlace, release: Release, command: readonly string[], pid: number): Promise<Launch> {
    const prepared = await this.#releases.prepare(release, new AbortController().signal)
    const folder = this.#parts.folders.path(keyOf(place.scope, place.replica))
    const program = replicaProgram({ kind: 'exec', command }, place, release, prepared, this.#files(prepared, folder))
    return formExec(this.#parts, folder, program, pid)
  }

  async remove(scope: Scope, replica: string): Promise<void> {
    this.#remove(keyOf(scope, replica))
  }

  async removeAll(signal: AbortSignal): Promise<void> {
    for (const key of await this.#parts.folders.keys()) this.#remove(key)
    await this.#parts.cgroups.end(this.#parts.clock, signal)
  }

  async prune(scope: Scope, keep: readonly number[], there: readonly string[], signal: AbortSignal): Promise<void> {
    const { folders, cgroups } = this.#parts
    const prefix = keyOf(scope, '')
    for (const key of await folders.keys()) {
      const replica = key.startsWith(prefix) ? key.slice(prefix.length) : null
      if (replica !== null && isReplicaName(replica) && !there.includes(replica)) this.#remove(key)
    }
    await this.#releases.prune(scope, keep, () => folders.used(), signal)
    cgroups.sweep(new Set(await folders.keys()))
  }

  #remove(key: string): void {
    this.#parts.cgroups.remove(key)
    this.#parts.secrets?.remove(key)
    this.#parts.folders.remove(key)
  }

  async #launch(wanted: Wanted, place: ReplicaPlace, release: Release, signal: AbortSignal): Promise<Launch> {
    const prepared = await this.#releases.prepare(release, signal)
    const draft = await draftLaunch(this.#parts, { wanted, place, release, prepared }, signal)
    return formLaunch(this.#parts, draft, place)
  }

  /** The image as a running replica sees it, as far as the program is concerned. */
  #files(prepared: PreparedRelease, folder: string): ImageFiles {
    return this.#parts.found.overlay ? layerFiles(this.#parts, prepared) : new ImageFiles([join(folder, 'root')])
  }
}
