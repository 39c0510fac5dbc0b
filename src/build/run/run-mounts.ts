import { statSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { posix } from 'node:path'
import { failureAt, type Place } from '../dockerfile/place.ts'
import type { Files } from '../image/file-entry.ts'
import { resolvePath } from '../image/resolve-path.ts'
import type { CacheFolders } from './kept/cache-folders.ts'
import type { EnterSecrets } from '../sandbox/enter-spec.ts'
import type { LowerFolders } from './kept/lower-folders.ts'
import type { RunMount } from './run-mount.ts'
import type { RunStep } from './run-step.ts'
import type { Bound } from '../sandbox/sandbox-mounts.ts'
import type { WorkFolder } from '../sandbox/work-folder.ts'

/** Where the mounts of a RUN take what they show. */
export interface MountSources {
  /** The files of a stage or an image; null: the build context. */
  readonly filesOf: (from: string | null) => Promise<Files>
  /** Values by id. */
  readonly secrets: Readonly<Record<string, string>>
  /** Sockets of ssh agents by id. */
  readonly ssh: Readonly<Record<string, string>>
}

/** Mounts made ready for one sandbox. */
export interface PreparedMounts {
  readonly bound: readonly Bound[]
  /** Mount points that the image may lack. */
  readonly stubs: ReadonlyMap<string, 'file' | 'folder'>
  readonly secrets: Omit<EnterSecrets, 'begins'>
  readonly env: Readonly<Record<string, string>>
  release(): void
}

/** A bind as a key needs it: what is mounted, not only what it is called. */
export async function bindKeys(
  { mounts, place }: RunStep,
  sources: MountSources,
  lowers: LowerFolders,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const keys: string[] = []
  for (const mount of mounts) {
    const shown = mount.type === 'bind' ? mount : mount.type === 'cache' ? mount.start : null
    if (shown === null) continue
    const found = await lowers.entriesOf(await sources.filesOf(shown.from), shown.source, signal)
    if (found === null) throw noSource(shown, place)
    keys.push(found.key)
  }
  return keys
}

/** Only a socket is ever shown to a command: never another file of this machine. */
const isSocket = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isSocket() === true

function noSource({ from, source }: { readonly from: string | null; readonly source: string }, place: Place) {
  const message = `${from ?? 'the build context'} has no ${source}`
  return failureAt('BUILD_COPY_SOURCE_MISSING', place, message, 'Correct source= of the mount.')
}

export interface MountTools {
  readonly work: WorkFolder
  readonly lowers: LowerFolders
  readonly caches: CacheFolders
  /** What the layers below show. */
  readonly tree: Files
}

/** Makes the mounts of a RUN ready. The caller releases them. Throws SECRETS_MISSING. */
export async function prepareMounts(
  step: RunStep,
  sources: MountSources,
  tools: MountTools,
  signal: AbortSignal,
): Promise<PreparedMounts> {
  const preparation = new Preparation(step, sources, tools)
  try {
    for (const mount of step.mounts) await preparation.add(mount, signal)
    return preparation
  } catch (failed) {
    preparation.release()
    throw failed
  }
}

class Preparation implements PreparedMounts {
  readonly bound: Bound[] = []
  readonly stubs = new Map<string, 'file' | 'folder'>()
  readonly env: Record<string, string> = {}
  readonly secrets: { files: EnterSecrets['files'][number][]; env: Record<string, string> } = { files: [], env: {} }
  readonly #step: RunStep
  readonly #sources: MountSources
  readonly #tools: MountTools
  readonly #releases: (() => void)[] = []

  constructor(step: RunStep, sources: MountSources, tools: MountTools) {
    this.#step = step
    this.#sources = sources
    this.#tools = tools
  }

  release(): void {
    for (const release of this.#releases.splice(0)) release()
  }

  async add(mount: RunMount, signal: AbortSignal): Promise<void> {
    switch (mount.type) {
      case 'bind':
        return this.#bind(mount, signal)
      case 'cache':
        return this.#cache(mount, signal)
      case 'tmpfs':
        this.bound.push({ kind: 'memory', sizeBytes: mount.sizeBytes, target: this.#target(mount.target, 'folder') })
        return
      case 'secret':
        return this.#secret(mount)
      case 'ssh':
        return this.#ssh(mount)
    }
  }

  async #cache(mount: RunMount & { type: 'cache' }, signal: AbortSignal): Promise<void> {
    const { caches, lowers } = this.#tools
    const { start, readOnly } = mount
    const entries =
      start === null ? null : await lowers.entriesOf(await this.#sources.filesOf(start.from), start.source, signal)
    if (start !== null && entries?.added.get('it')?.type !== 'directory') throw noSource(start, this.#step.place)
    const { path, release } = await caches.take(mount, entries, signal)
    this.#releases.push(release)
    this.bound.push({ kind: 'bind', source: path, readOnly, target: this.#target(mount.target, 'folder') })
  }

  async #bind(mount: RunMount & { type: 'bind' }, signal: AbortSignal): Promise<void> {
    const { lowers, work } = this.#tools
    const files = await this.#sources.filesOf(mount.from)
    const found = await lowers.ofSource(files, mount.source, signal)
    if (found === null) return
    const source = `${found.folder}/it`
    const kind = files.at(resolvePath(files, mount.source)?.path ?? '')?.type === 'directory' ? 'folder' : 'file'
    const target = this.#target(mount.target, kind)
    if (!mount.writable || kind === 'file') {
      this.bound.push({ kind: 'bind', source, readOnly: true, target })
      return
    }
    const name = `bind-${this.bound.length}`
    for (const part of [name, `${name}/upper`, `${name}/work`]) await mkdir(work.at(part))
    this.bound.push({
      kind: 'overlay',
      lower: source,
      upper: work.at(`${name}/upper`),
      work: work.at(`${name}/work`),
      target,
    })
  }

  #secret({ id, required, target, env, mode, uid, gid }: RunMount & { type: 'secret' }): void {
    const value = this.#sources.secrets[id]
    if (value === undefined) {
      if (!required) return
      const hint = `Give it to the build, or leave required out. Nothing was pushed.`
      throw failureAt('SECRETS_MISSING', this.#step.place, `the secret ${id} was not given`, hint)
    }
    if (env !== null) this.secrets.env[env] = value
    if (target === null) return
    const name = `secret-${this.secrets.files.length}`
    this.secrets.files.push({ name, mode, uid, gid, value })
    const source = `${this.#tools.work.at('private')}/${name}`
    this.bound.push({ kind: 'bind', source, readOnly: true, target: this.#target(target, 'file') })
  }

  #ssh({ id, required, target }: RunMount & { type: 'ssh' }): void {
    const socket = this.#sources.ssh[id]
    if (socket === undefined) {
      if (!required) return
      throw failureAt(
        'SECRETS_MISSING',
        this.#step.place,
        `no ssh agent ${id} was given`,
        'Leave required out, or give one.',
      )
    }
    if (!isSocket(socket)) {
      const hint = 'Start an agent (ssh-agent), and give the path of its socket. Keys themselves are not taken.'
      throw failureAt('SECRETS_MISSING', this.#step.place, `the ssh agent ${id} has no socket on this machine`, hint)
    }
    const path = target === '' ? `/run/buildkit/ssh_agent.${this.bound.length}` : target
    this.bound.push({ kind: 'bind', source: socket, readOnly: false, target: this.#target(path, 'file') })
    this.env.SSH_AUTH_SOCK = path
  }

  /** Where a mount goes, links of the image followed inside it. */
  #target(path: string, kind: 'file' | 'folder'): string {
    const target = resolvePath(this.#tools.tree, posix.resolve(this.#step.cwd, path))?.path ?? ''
    if (target === '') {
      throw failureAt(
        'DOCKERFILE_SYNTAX',
        this.#step.place,
        `nothing can be mounted at ${path}`,
        'Choose another target.',
      )
    }
    this.stubs.set(target, kind)
    return target
  }
}
