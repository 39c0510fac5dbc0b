import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readOnlyProc } from '../../../os/proc-guard.ts'
import type { Launch, ReplicaPlace } from '../launch.ts'
import type { ReplicaProgram } from './image/replica-program.ts'
import type { LaunchDraft } from './launch-draft.ts'
import { keyOf, type RootsParts } from './roots-parts.ts'
import { mountTable } from './start/mount-table.ts'
import { fitsHost } from './start/host-loader.ts'
import { hostPath, launchUnrooted } from './start/launch-none.ts'
import {
  execInNamespaces,
  type LaunchFrame,
  launchInChroot,
  launchInNamespaces,
  type RootedProgram,
} from './start/launch-rooted.ts'

/** A drafted program in the form of this machine's isolation. */
export async function formLaunch(parts: RootsParts, draft: LaunchDraft, place: ReplicaPlace): Promise<Launch> {
  const { folder, program, frame } = draft
  if (parts.found.isolation === 'none') return unrooted(folder, program, frame)
  if (parts.found.isolation === 'chroot') return launchInChroot(rooted(parts, program), chroot(parts, folder), frame)
  return inNamespaces(parts, draft, place)
}

const EXEC_FRAME: LaunchFrame = {
  stopSignal: 'SIGKILL',
  cgroups: [],
  cgroupSteps: [],
  secretFiles: [],
  secretEnv: [],
}

/** A program beside the one with this pid, in what that sees. */
export async function formExec(
  parts: RootsParts,
  folder: string,
  program: ReplicaProgram,
  pid: number,
): Promise<Launch> {
  const { isolation } = parts.found
  if (isolation === 'none') return unrooted(folder, program, EXEC_FRAME)
  if (isolation === 'chroot') return launchInChroot(rooted(parts, program), chroot(parts, folder), EXEC_FRAME)
  return execInNamespaces(rooted(parts, program), pid, isolation === 'user-namespaces')
}

function inNamespaces(
  parts: RootsParts,
  { folder, prepared, program, secretFiles, frame }: LaunchDraft,
  place: ReplicaPlace,
): Launch {
  const { layers, found, secrets, enter } = parts
  const path = (name: string) => join(folder, name)
  const relative = (name: string) => `../replicas/${keyOf(place.scope, place.replica)}/${name}`
  const userNamespace = found.isolation === 'user-namespaces'
  const lowers = [relative('base'), ...prepared.lowers]
  const overlay = found.overlay
    ? { lowers, upper: relative('upper'), work: relative('work'), user: userNamespace }
    : null
  const files = secrets === null ? [] : secretFiles.map(({ path: from, inside: to }) => ({ from, to }))
  const readOnly = userNamespace ? [] : readOnlyProc()
  replaceFile(path('mounts'), mountTable({ root: path('root'), overlay, files, readOnly }))
  return launchInNamespaces(
    rooted(parts, program),
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

async function unrooted(folder: string, it: ReplicaProgram, frame: LaunchFrame): Promise<Launch> {
  const root = join(folder, 'root')
  const hostLoaderFits = await fitsHost(it.program, root)
  return launchUnrooted({ ...it, root, hostLoaderFits, pathOf: (program) => hostPath(root, program) }, frame)
}

function rooted({ tools }: RootsParts, { user, cwd, program, args, env, envProgram }: ReplicaProgram): RootedProgram {
  return { tools, user, cwd, command: [program.inside, ...args], env, envProgram }
}

function chroot({ found }: RootsParts, folder: string): Parameters<typeof launchInChroot>[1] {
  return { root: join(folder, 'root'), by: found.entrance }
}

/** A step may be done again while what it started reads the file: that sees the old or the new one, never a part. */
function replaceFile(path: string, content: string): void {
  writeFileSync(`${path}.new`, content, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}
