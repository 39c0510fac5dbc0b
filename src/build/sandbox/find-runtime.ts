import { DeployError } from '../../model/failure.ts'
import type { Privileges } from './privileges.ts'
import type { RunStep } from '../run/run-step.ts'
import { NO_LIMITS } from './run-limits.ts'
import { runSandboxed } from './sandbox.ts'
import { WorkFolder } from './work-folder.ts'

/** OCI runtimes that are looked for, in this order. */
export const RUNTIMES = ['runc', 'crun'] as const
export type RuntimeName = (typeof RUNTIMES)[number]

/** Not there on purpose: that the runtime says so shows that it came as far as starting it. */
const NOTHING = '/naru-probe'
const PROBE_MS = 20_000

/**
 * The first of these OCI runtimes that works here, found by starting a sandbox with it; null: none. crun does not start on
 * machines that have cgroups of both versions, and none does where cgroups cannot be written.
 */
export async function findRuntime(
  names: readonly RuntimeName[],
  work: string,
  privileges: Privileges,
  signal: AbortSignal,
): Promise<string | null> {
  if (privileges.userNamespace) return null
  for (const name of names) {
    const path = privileges.tools[name]
    if (path !== null && (await whyNot(path, work, privileges, signal)) === null) return path
  }
  return null
}

/** Why a runtime does not start here, in its own words; null: it does. */
export async function whyNot(
  runtime: string,
  parent: string,
  privileges: Privileges,
  signal: AbortSignal,
): Promise<string | null> {
  const work = await WorkFolder.make(parent)
  const said: string[] = []
  const step: RunStep = {
    ...{ place: { file: '', line: 0, column: 0 }, text: '', args: [NOTHING], script: null, env: {}, proxies: {} },
    ...{ cwd: '/', user: '', network: 'none', mounts: [] },
  }
  const user = { uid: 0, gid: 0, groups: [0], home: '/' }
  const mounts = { bound: [], stubs: new Map(), secrets: { files: [], env: {} }, env: {}, release: () => {} }
  try {
    await work.plainMountPoints()
    const onLine = (line: string) => void said.push(line)
    const probe = {
      step,
      user,
      lowers: [],
      mounts,
      texts: [],
      trustEnv: {},
      work,
      runtime,
      timeoutMs: PROBE_MS,
      limits: NO_LIMITS,
      onLine,
    }
    const { code } = await runSandboxed(probe, privileges, signal)
    if (code !== 0 && said.some((line) => line.includes(NOTHING))) return null
    return said.at(-1) ?? `it ended with ${code}`
  } catch (failed) {
    if (failed instanceof DeployError) return failed.message
    throw failed
  } finally {
    await privileges.remove(work.path, signal)
  }
}
