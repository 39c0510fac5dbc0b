import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Release } from '../../../model/release.ts'
import type { ReplicaPlace } from '../launch.ts'
import type { ImageFiles } from './image/image-files.ts'
import type { PreparedRelease } from './image/prepared-release.ts'
import { type ReplicaProgram, replicaProgram, type Wanted } from './image/replica-program.ts'
import { fillBase } from './replica-base.ts'
import { inNamespace, keyOf, layerFiles, type RootsParts } from './roots-parts.ts'
import { checkSecretNames } from './start/enter-chain.ts'
import type { LaunchFrame } from './start/launch-rooted.ts'

/** What is asked for: which program of which release, where. */
export interface Drafted {
  readonly wanted: Wanted
  readonly place: ReplicaPlace
  readonly release: Release
  readonly prepared: PreparedRelease
}

/** Everything about one launch before it is put into the form of an isolation. */
export interface LaunchDraft {
  readonly key: string
  readonly folder: string
  readonly prepared: PreparedRelease
  readonly program: ReplicaProgram
  readonly secretFiles: readonly { readonly secret: string; readonly inside: string; readonly path: string }[]
  readonly frame: LaunchFrame
}

/** Makes the replica's folder and cgroups, and says what is to run in them. Safe twice. */
export async function draftLaunch(
  parts: RootsParts,
  { wanted, place, release, prepared }: Drafted,
  signal: AbortSignal,
): Promise<LaunchDraft> {
  const { folders, owners, found, cgroups } = parts
  const key = keyOf(place.scope, place.replica)
  const files = layerFiles(parts, prepared)
  const program = replicaProgram(wanted, place, release, prepared, files)
  const secretEnv = release.settings.secrets.filter(({ file }) => file === null).map(({ name }) => name)
  if (found.isolation !== 'none') checkSecretNames(secretEnv)
  const secretPaths = release.settings.secrets.flatMap(({ name, file }) =>
    file === null ? [] : [{ secret: name, inside: insidePath(files, file) }],
  )
  const fill = (base: string) => fillBase(base, baseOptions(parts, place, { files, program, secretPaths }))
  const folder = await folders.make({ key, prepared, overlay: found.overlay, owners, fillBase: fill }, signal)
  const secretFiles = placeSecrets(parts, key, folder, secretPaths)
  const owner =
    found.isolation === 'namespaces' || found.isolation === 'chroot'
      ? { uid: program.user.uid, gid: program.user.gid }
      : undefined
  const frame: LaunchFrame = {
    stopSignal: program.stopSignal,
    ...(owner === undefined ? {} : { logOwner: owner }),
    ...cgroups.create(key, program.resources),
    secretFiles: secretFiles.map(({ secret, path }) => ({ secret, path, ...owner })),
    secretEnv,
  }
  return { key, folder, prepared, program, secretFiles, frame }
}

function baseOptions(
  parts: RootsParts,
  { replica }: ReplicaPlace,
  {
    files,
    program,
    secretPaths,
  }: {
    readonly files: ImageFiles
    readonly program: ReplicaProgram
    readonly secretPaths: readonly { readonly inside: string }[]
  },
): Parameters<typeof fillBase>[1] {
  const paths = secretPaths.map(({ inside }) => inside)
  const namespaces = inNamespace(parts)
  return {
    files,
    hostname: replica,
    folders: [program.cwd],
    mountPoints: namespaces && parts.secrets !== null ? paths : [],
    fileFolders: paths,
    devices: parts.found.isolation === 'none' ? null : namespaces ? 'mounts' : join(parts.folder, 'devices'),
    owners: parts.owners,
  }
}

/** Where the keeper writes secrets: in memory and mounted over a file of the replica, or straight into its root. */
function placeSecrets(
  parts: RootsParts,
  key: string,
  folder: string,
  paths: readonly { readonly secret: string; readonly inside: string }[],
): LaunchDraft['secretFiles'] {
  const { secrets, found } = parts
  if (secrets !== null && inNamespace(parts)) {
    if (paths.length === 0) return []
    const own = secrets.make(key)
    return paths.map((one) => ({ ...one, path: join(own, one.secret) }))
  }
  // An overlay's upper folder is written to while it is not mounted: before the start, and after the end.
  const root = found.overlay ? join(folder, 'upper') : join(folder, 'root')
  if (found.overlay) for (const { inside } of paths) mkdirSync(join(root, inside, '..'), { recursive: true })
  return paths.map((one) => ({ ...one, path: `${root}${one.inside}` }))
}

/** The path of a secret's file without links, as far as the image has it. */
function insidePath(files: ImageFiles, path: string): string {
  const parts = path.split('/').filter((name) => name !== '' && name !== '.' && name !== '..')
  const name = parts.pop() ?? ''
  const folder = `/${parts.join('/')}`
  return join(files.find(folder)?.inside ?? folder, name)
}
