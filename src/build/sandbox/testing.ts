import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Happening } from '../../model/event.ts'
import { DeployError } from '../../model/failure.ts'
import type { BuildRequest } from '../builder.ts'
import type { SandboxOptions } from '../run/run-sandboxes.ts'
import { aBusyboxBuild } from '../run/testing.ts'
import { never, readImage, type TestBuild, type TestFile, type TestImage } from '../testing.ts'
import { CGROUP_PREFIX } from './oci-runtime.ts'
import { limitGroups, NO_LIMITS } from './run-limits.ts'
import { sweepCgroups } from './sweep-cgroups.ts'

/** A build with RUNs, as plain data: another process may carry it out. */
export interface Trial {
  /** After `FROM busybox:1`. */
  readonly lines: readonly string[]
  readonly files?: Readonly<Record<string, TestFile>>
  readonly request?: Pick<BuildRequest, 'secrets' | 'runLimits' | 'ca'>
  readonly runTimeoutMs?: number
  /** It is cancelled when a command says this line. */
  readonly cancelAt?: string
}

/** What came of it, as plain data. */
export interface Outcome extends Pick<TestImage, 'files' | 'layers'> {
  readonly failed: Pick<DeployError, 'code' | 'message' | 'hint' | 'detail'> | null
  readonly canceled: boolean
  /** Lines of output. */
  readonly said: readonly string[]
  /** What is left of work folders and cgroups. */
  readonly left: readonly string[]
  /** Files of the build, its cache and its store that hold a secret. */
  readonly holding: readonly string[]
}

const NOTHING = { failed: null, canceled: false, files: {}, layers: [] } as const

/** Carries a trial out in this process. */
export async function attempt(trial: Trial, options: SandboxOptions): Promise<Outcome> {
  const { files = {}, lines, runTimeoutMs } = trial
  const dockerfile = { Dockerfile: `${['FROM busybox:1', ...lines].join('\n')}\n` }
  const limit = runTimeoutMs === undefined ? {} : { runTimeoutMs }
  await using build = await aBusyboxBuild({ ...files, ...dockerfile }, { ...options, ...limit })
  const said: string[] = []
  const made = await whatCame(build, trial, said)
  const secrets = Object.values(trial.request?.secrets ?? {})
  const seen = {
    left: [...readdirSync(join(build.cacheFolder, 'sandbox', 'work')), ...cgroupsOf(process.pid)],
    holding: secrets.flatMap((secret) => filesWith(build.folder, secret)),
  }
  // What belongs to users of the image goes by the rights of the sandbox only.
  await build.prune(false, never)
  return { ...NOTHING, ...made, said, ...seen }
}

async function whatCame(
  build: TestBuild,
  { request = {}, cancelAt }: Trial,
  said: string[],
): Promise<Partial<Outcome>> {
  const canceling = new AbortController()
  const tell = (happening: Happening) => {
    if (happening.kind !== 'log') return
    said.push(happening.line)
    if (happening.line === cancelAt) canceling.abort()
  }
  try {
    const { artifact } = await build.run(request, { signal: canceling.signal, tell })
    const { files, layers } = await readImage(build.store, 'shop', artifact.digest)
    return { files, layers }
  } catch (failed) {
    if (canceling.signal.aborted) return { canceled: true }
    if (!(failed instanceof DeployError)) throw failed
    const { code, message, hint, detail } = failed
    return { failed: { code, message, hint, detail } }
  }
}

function filesWith(folder: string, text: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => holds(path, text))
}

/** What an image's users own, an ordinary user may not read: only the sandbox could have written there, and its layer is looked at. */
function holds(path: string, text: string): boolean {
  try {
    return readFileSync(path, 'latin1').includes(text)
  } catch {
    return false
  }
}

/** The cgroups that RUNs of a process have, of either version. */
export function cgroupsOf(pid: number): readonly string[] {
  const folder = '/sys/fs/cgroup'
  const names = existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : []
  return names
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => [name, ...readdirSync(join(folder, name))])
    .filter((name) => name.startsWith(`${CGROUP_PREFIX}${pid}_`))
}

/** Commands of sleep with that word in their command lines. */
export function processesWith(word: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
      } catch {
        return ''
      }
    })
    .filter((line) => line.startsWith('sleep\0') && line.includes(word))
}

/** Whether memory can be limited here; false also where nothing of cgroups may be written. */
export async function canLimitMemory(): Promise<boolean> {
  const id = `probe-${process.pid}`
  const { missing } = limitGroups(id, { ...NO_LIMITS, memoryBytes: 2 ** 30 })
  await sweepCgroups(id)
  return missing.length === 0
}
