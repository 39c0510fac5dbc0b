import { mkdirSync, realpathSync, renameSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Scope } from '../../../model/app.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Release } from '../../../model/release.ts'
import { makeFolder } from '../../../os/atomic-file.ts'
import { readOnlyProc } from '../../../os/proc-guard.ts'
import type { ContentStore } from '../../../registry/content-store.ts'
import type { Isolation, Launch, ReplicaPlace, ReplicaRoots } from '../launch.ts'
import { isReplicaName } from '../replica-logs.ts'
import { Cgroups } from './limits/cgroups.ts'
import { makeDeviceNodes } from './device-nodes.ts'
import { checkSecretNames } from './start/enter-chain.ts'
import { mountTable } from './start/mount-table.ts'
import { ImageFiles } from './image/image-files.ts'
import { type FoundIsolation, findIsolation } from './start/isolation.ts'
import { isolationNotes } from './start/isolation-notes.ts'
import {
  execInNamespaces,
  type LaunchFrame,
  launchInChroot,
  launchInNamespaces,
  type RootedProgram,
} from './start/launch-rooted.ts'
import { fitsHost } from './start/host-loader.ts'
import { hostPath, launchUnrooted } from './start/launch-none.ts'
import { LayerStore } from './layers/layer-store.ts'
import { removeTree } from './layers/remove-tree.ts'
import type { PreparedRelease } from './image/prepared-release.ts'
import { UnpackedReleases } from './image/unpacked-releases.ts'
import { fillBase } from './replica-base.ts'
import { ReplicaFolders } from './replica-folders.ts'
import { type ReplicaProgram, replicaProgram, type Wanted } from './image/replica-program.ts'
import { SecretFolder } from './secret-folder.ts'
import { findTools, type Tools } from './start/tools.ts'

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

interface Parts {
  readonly folder: string
  readonly owners: boolean
  readonly layers: LayerStore
  readonly folders: ReplicaFolders
  readonly tools: Tools
  readonly enter: string
  readonly found: FoundIsolation
  readonly cgroups: Cgroups
  readonly secrets: SecretFolder | null
  readonly images: ReplicaRootsOptions['images']
  readonly clock: Clock
}

/** Everything about one launch before it is put into the form of an isolation. */
interface Draft {
  readonly key: string
  readonly folder: string
  readonly prepared: PreparedRelease
  readonly program: ReplicaProgram
  readonly secretFiles: readonly { readonly secret: string; readonly inside: string; readonly path: string }[]
  readonly frame: LaunchFrame
}

const keyOf = ({ app, environment }: Scope, replica: string): string => `${app}.${environment}.${replica}`

class EmbeddedRoots implements OpenReplicaRoots {
  readonly isolation: Isolation
  readonly limits: readonly ('cpu' | 'memory')[]
  readonly notes: readonly string[]
  readonly why: readonly string[]
  readonly #parts: Parts
  readonly #releases: UnpackedReleases

  constructor(parts: Parts, notes: readonly string[]) {
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
    const frame: LaunchFrame = { stopSignal: 'SIGKILL', cgroups: [], cgroupSteps: [], secretFiles: [], secretEnv: [] }
    if (this.isolation === 'none') return this.#unrooted(folder, program, frame)
    const rooted = this.#rooted(program)
    if (this.isolation === 'chroot') return launchInChroot(rooted, this.#chroot(folder), frame)
    return execInNamespaces(rooted, pid, this.isolation === 'user-namespaces')
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
    const draft = await this.#draft(wanted, place, release, signal)
    const { folder, program, frame } = draft
    if (this.isolation === 'none') return this.#unrooted(folder, program, frame)
    if (this.isolation === 'chroot') return launchInChroot(this.#rooted(program), this.#chroot(folder), frame)
    return this.#inNamespaces(draft, place)
  }

  async #draft(wanted: Wanted, place: ReplicaPlace, release: Release, signal: AbortSignal): Promise<Draft> {
    const prepared = await this.#releases.prepare(release, signal)
    const { folders, owners, found, cgroups } = this.#parts
    const key = keyOf(place.scope, place.replica)
    const files = this.#layerFiles(prepared)
    const program = replicaProgram(wanted, place, release, prepared, files)
    const secretEnv = release.settings.secrets.filter(({ file }) => file === null).map(({ name }) => name)
    if (this.isolation !== 'none') checkSecretNames(secretEnv)
    const secretPaths = release.settings.secrets.flatMap(({ name, file }) =>
      file === null ? [] : [{ secret: name, inside: insidePath(files, file) }],
    )
    const fill = (base: string) => fillBase(base, this.#baseOptions(place, files, program, secretPaths))
    const folder = await folders.make({ key, prepared, overlay: found.overlay, owners, fillBase: fill }, signal)
    const secretFiles = this.#placeSecrets(key, folder, secretPaths)
    const owner =
      this.isolation === 'namespaces' || this.isolation === 'chroot'
        ? { uid: program.user.uid, gid: program.user.gid }
        : {}
    const frame: LaunchFrame = {
      stopSignal: program.stopSignal,
      ...cgroups.create(key, program.resources),
      secretFiles: secretFiles.map(({ secret, path }) => ({ secret, path, ...owner })),
      secretEnv,
    }
    return { key, folder, prepared, program, secretFiles, frame }
  }

  #baseOptions(
    { replica }: ReplicaPlace,
    files: ImageFiles,
    program: ReplicaProgram,
    secretPaths: readonly { readonly inside: string }[],
  ): Parameters<typeof fillBase>[1] {
    const paths = secretPaths.map(({ inside }) => inside)
    const namespaces = this.#inNamespace()
    return {
      files,
      hostname: replica,
      folders: [program.cwd],
      mountPoints: namespaces && this.#parts.secrets !== null ? paths : [],
      fileFolders: paths,
      devices: this.isolation === 'none' ? null : namespaces ? 'mounts' : join(this.#parts.folder, 'devices'),
      owners: this.#parts.owners,
    }
  }

  /** Where the keeper writes secrets: in memory and mounted over a file of the replica, or straight into its root. */
  #placeSecrets(
    key: string,
    folder: string,
    paths: readonly { readonly secret: string; readonly inside: string }[],
  ): Draft['secretFiles'] {
    const { secrets, found } = this.#parts
    if (secrets !== null && this.#inNamespace()) {
      if (paths.length === 0) return []
      const own = secrets.make(key)
      return paths.map((one) => ({ ...one, path: join(own, one.secret) }))
    }
    // An overlay's upper folder is written to while it is not mounted: before the start, and after the end.
    const root = found.overlay ? join(folder, 'upper') : join(folder, 'root')
    if (found.overlay) for (const { inside } of paths) mkdirSync(join(root, inside, '..'), { recursive: true })
    return paths.map((one) => ({ ...one, path: `${root}${one.inside}` }))
  }

  #inNamespaces({ folder, prepared, program, secretFiles, frame }: Draft, place: ReplicaPlace): Launch {
    const { layers, found, secrets, enter } = this.#parts
    const path = (name: string) => join(folder, name)
    const relative = (name: string) => `../replicas/${keyOf(place.scope, place.replica)}/${name}`
    const userNamespace = this.isolation === 'user-namespaces'
    const lowers = [relative('base'), ...prepared.lowers]
    const overlay = found.overlay
      ? { lowers, upper: relative('upper'), work: relative('work'), user: userNamespace }
      : null
    const files = secrets === null ? [] : secretFiles.map(({ path: from, inside: to }) => ({ from, to }))
    const readOnly = userNamespace ? [] : readOnlyProc()
    replaceFile(path('mounts'), mountTable({ root: path('root'), overlay, files, readOnly }))
    return launchInNamespaces(
      this.#rooted(program),
      {
        layers: layers.folder,
        root: path('root'),
        mountTable: path('mounts'),
        hostname: place.replica,
        enter,
        userNamespace,
      },
      frame,
    )
  }

  async #unrooted(folder: string, it: ReplicaProgram, frame: LaunchFrame): Promise<Launch> {
    const root = join(folder, 'root')
    const hostLoaderFits = await fitsHost(it.program, root)
    return launchUnrooted({ ...it, root, hostLoaderFits, pathOf: (program) => hostPath(root, program) }, frame)
  }

  #rooted({ user, cwd, program, args, env, envProgram }: ReplicaProgram): RootedProgram {
    return { tools: this.#parts.tools, user, cwd, command: [program.inside, ...args], env, envProgram }
  }

  #chroot(folder: string): Parameters<typeof launchInChroot>[1] {
    return { root: join(folder, 'root'), by: this.#parts.found.entrance }
  }

  /** The image as a running replica sees it, as far as the program is concerned. */
  #files(prepared: PreparedRelease, folder: string): ImageFiles {
    return this.#parts.found.overlay ? this.#layerFiles(prepared) : new ImageFiles([join(folder, 'root')])
  }

  #layerFiles(prepared: PreparedRelease): ImageFiles {
    return new ImageFiles(prepared.lowers.map((short) => join(this.#parts.layers.folder, short)))
  }

  #inNamespace(): boolean {
    return this.isolation === 'namespaces' || this.isolation === 'user-namespaces'
  }
}

/** A step may be done again while what it started reads the file: that sees the old or the new one, never a part. */
function replaceFile(path: string, content: string): void {
  writeFileSync(`${path}.new`, content, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

/** The path of a secret's file without links, as far as the image has it. */
function insidePath(files: ImageFiles, path: string): string {
  const parts = path.split('/').filter((name) => name !== '' && name !== '.' && name !== '..')
  const name = parts.pop() ?? ''
  const folder = `/${parts.join('/')}`
  return join(files.find(folder)?.inside ?? folder, name)
}
