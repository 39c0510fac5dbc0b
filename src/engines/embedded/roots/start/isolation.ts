import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DeployError } from '../../../../model/failure.ts'
import { ProgramNotStarted, run } from '../../../../os/run.ts'
import { readOnlyProc } from '../../../../os/proc-guard.ts'
import type { Isolation } from '../../launch.ts'
import type { Entrance } from './enter-chain.ts'
import { DEVICES, mountTable } from './mount-table.ts'
import { removeTree } from '../layers/remove-tree.ts'
import {
  type LaunchFrame,
  launchInChroot,
  launchInNamespaces,
  type NamespacePlace,
  type RootedProgram,
} from './launch-rooted.ts'
import type { Tools } from './tools.ts'

/** What this machine allows, tried with real processes. */
export interface FoundIsolation {
  readonly isolation: Isolation
  /** Whether roots can be overlays of shared layers; else each replica has a copy. */
  readonly overlay: boolean
  /** How programs enter a root in `chroot`; elsewhere by unshare. */
  readonly entrance: Entrance
  /** Why each stronger level was not taken, the strongest first. */
  readonly why: readonly string[]
}

type Works = Pick<FoundIsolation, 'overlay' | 'entrance'>

export interface IsolationSearch {
  /** A folder on the file system of the layers and replicas. */
  readonly folder: string
  readonly tools: Tools
  readonly enter: string
  /** Take this one, or fail. */
  readonly forced: Isolation | null
  readonly signal: AbortSignal
}

const LEVELS: readonly Isolation[] = ['namespaces', 'user-namespaces', 'chroot', 'none']

/** The strongest isolation that works here, or the forced one. Throws ISOLATION_UNAVAILABLE when that one does not work. */
export async function findIsolation(search: IsolationSearch): Promise<FoundIsolation> {
  const why: string[] = []
  for (const isolation of search.forced === null ? LEVELS : [search.forced]) {
    const tried = await tryLevel(isolation, search)
    if (typeof tried !== 'string') return { isolation, why, ...tried }
    why.push(`${isolation}: ${tried}`)
  }
  throw new DeployError('ISOLATION_UNAVAILABLE', `this machine does not allow the isolation ${why.join('; ')}`, {
    hint: 'Leave the choice to Naru, or allow it on this machine. See what works with: naru doctor',
  })
}

/** How it works at this level, or why it does not. */
async function tryLevel(isolation: Isolation, search: IsolationSearch): Promise<Works | string> {
  const root = process.geteuid?.() === 0
  if (isolation === 'none') return { overlay: false, entrance: 'unshare' }
  if (isolation !== 'user-namespaces' && !root) return 'needs root'
  if (isolation === 'user-namespaces' && root && search.forced === null) return 'is for ordinary users'
  if (isolation === 'chroot') return tryChroot(search)
  const user = isolation === 'user-namespaces'
  if ((await tryNamespaces(search, user, true)) === null) return { overlay: true, entrance: 'unshare' }
  return (await tryNamespaces(search, user, false)) ?? { overlay: false, entrance: 'unshare' }
}

const FRAME: LaunchFrame = { stopSignal: 'SIGKILL', cgroups: [], cgroupSteps: [], secretFiles: [], secretEnv: [] }
/** Not there on purpose: the last tool then ends with 127, which no earlier failure does (they end with 1 or 125). */
const NOTHING = '/naru-probe'

const probeProgram = (tools: Tools): RootedProgram => ({
  tools,
  user: { uid: 1, gid: 1, groups: [], home: '/' },
  cwd: '/',
  command: [NOTHING],
  env: {},
  envProgram: null,
})

/** null: it works. */
function tryNamespaces(search: IsolationSearch, userNamespace: boolean, overlay: boolean): Promise<string | null> {
  return inProbeFolder(search, async (folder) => {
    const path = (name: string) => join(folder, name)
    const table = {
      root: path('root'),
      overlay: overlay ? { lowers: ['lower', 'root'], upper: 'upper', work: 'work', user: userNamespace } : null,
      files: [],
      readOnly: userNamespace ? [] : readOnlyProc(),
    }
    writeFileSync(path('mounts'), mountTable(table))
    const place: NamespacePlace = {
      layers: folder,
      root: path('root'),
      mountTable: path('mounts'),
      hostname: 'probe',
      enter: search.enter,
      userNamespace,
    }
    return attempt(launchInNamespaces(probeProgram(search.tools), place, FRAME), search.signal)
  })
}

async function tryChroot(search: IsolationSearch): Promise<Works | string> {
  const tried = (by: Entrance) =>
    inProbeFolder(search, (folder) =>
      attempt(launchInChroot(probeProgram(search.tools), { root: join(folder, 'root'), by }, FRAME), search.signal),
    )
  if ((await tried('nsenter')) === null) return { overlay: false, entrance: 'nsenter' }
  return (await tried('old-nsenter')) ?? { overlay: false, entrance: 'old-nsenter' }
}

async function inProbeFolder(
  search: IsolationSearch,
  probe: (folder: string) => Promise<string | null>,
): Promise<string | null> {
  const folder = mkdtempSync(join(search.folder, '.probe-'))
  try {
    for (const name of ['root', 'lower', 'upper', 'work']) mkdirSync(join(folder, name))
    for (const name of ['root/dev', 'root/dev/shm', 'root/proc']) mkdirSync(join(folder, name))
    for (const name of DEVICES) writeFileSync(join(folder, 'root/dev', name), '')
    chmodSync(join(folder, 'root'), 0o755)
    return await probe(folder)
  } catch (failed) {
    if (failed instanceof ProgramNotStarted || failed instanceof DeployError) return failed.message
    throw failed
  } finally {
    removeTree(folder)
  }
}

async function attempt(
  launch: { program: string; args: readonly string[]; env: Readonly<Record<string, string>> },
  signal: AbortSignal,
): Promise<string | null> {
  const { code, stderr } = await run(launch.program, launch.args, {
    env: launch.env,
    cwd: '/',
    timeoutMs: 20_000,
    signal,
  })
  return code === 127 ? null : (stderr.trim().split('\n').at(-1) ?? '').slice(0, 300) || `ended with ${code}`
}
