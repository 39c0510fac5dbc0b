import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { backoff } from '../../../../lib/backoff.ts'
import type { Clock } from '../../../../lib/clock.ts'
import type { Resources } from '../../../../model/app.ts'
import { type CgroupStep, makeCgroups } from '../../../../os/cgroup.ts'
import type { Launch } from '../../launch.ts'
import { cgroupSettings } from './cgroup-files.ts'

type Controller = 'memory' | 'cpu' | 'pids'
const CONTROLLERS: readonly Controller[] = ['memory', 'cpu', 'pids']
/** A file that only a group with the controller has. */
const MARKS = {
  1: { memory: 'memory.limit_in_bytes', cpu: 'cpu.shares', pids: 'pids.max' },
  2: { memory: 'memory.max', cpu: 'cpu.weight', pids: 'pids.max' },
}

interface Hierarchy {
  readonly version: 1 | 2
  /** Our group in it: parent of one group per replica. */
  readonly base: string
  readonly controllers: readonly Controller[]
}

/** The control groups of one data folder's replicas. What this user may not do is not done: `limits` says what holds. */
export class Cgroups {
  readonly limits: readonly ('cpu' | 'memory')[]
  readonly #hierarchies: readonly Hierarchy[]

  private constructor(hierarchies: readonly Hierarchy[]) {
    this.#hierarchies = hierarchies
    this.limits = (['cpu', 'memory'] as const).filter((name) =>
      hierarchies.some(({ controllers }) => controllers.includes(name)),
    )
  }

  /** Finds the hierarchies in which a group `naru-<instanceId>` can be made, by making one. */
  static open(instanceId: string): Cgroups {
    const left = new Set(CONTROLLERS)
    const found: Hierarchy[] = []
    for (const mount of mounts()) {
      const wanted = mount.controllers.filter((name) => left.has(name))
      const hierarchy = wanted.length === 0 ? null : tryParents(mount, wanted, `naru-${instanceId}`)
      if (hierarchy === null) continue
      found.push(hierarchy)
      for (const name of hierarchy.controllers) left.delete(name)
    }
    return new Cgroups(found)
  }

  /** Makes a replica's groups with its limits; answers their `cgroup.procs` files, and how they are made. Safe twice. */
  create(name: string, resources: Resources): Pick<Launch, 'cgroups' | 'cgroupSteps'> {
    const cgroupSteps = this.#hierarchies.flatMap((hierarchy) => groupSteps(hierarchy, name, resources))
    makeCgroups(cgroupSteps)
    return { cgroups: this.#hierarchies.map(({ base }) => join(base, name, 'cgroup.procs')), cgroupSteps }
  }

  /** Removes a replica's groups when nothing runs in them, and ours with the last one. Safe twice. */
  remove(name: string): void {
    for (const { base } of this.#hierarchies) {
      removeEmpty(join(base, name))
      removeEmpty(base)
    }
  }

  /** Removes the groups of replicas that are not in `known`. */
  sweep(known: ReadonlySet<string>): void {
    for (const { base } of this.#hierarchies) {
      if (!existsSync(base)) continue
      for (const entry of readdirSync(base, { withFileTypes: true }))
        if (entry.isDirectory() && !known.has(entry.name)) removeEmpty(join(base, entry.name))
      removeEmpty(base)
    }
  }

  /** Removes all groups, when everything in them was ended: a killed process may still be on its way out of its group. */
  async end(clock: Clock, signal: AbortSignal): Promise<void> {
    const deadline = clock.monotonic() + LEAVE_MS
    for (const delay of backoff(5)) {
      this.sweep(new Set())
      if (!this.#hierarchies.some(({ base }) => existsSync(base)) || clock.monotonic() > deadline) return
      await clock.sleep(delay, signal)
    }
  }
}

/** How long the last process of a group may take to leave it after its end. */
const LEAVE_MS = 10_000

interface Mount {
  readonly version: 1 | 2
  readonly point: string
  /** Where this process is in it, as a folder. */
  readonly own: string
  readonly controllers: readonly Controller[]
}

function mounts(): Mount[] {
  const own = readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line): Mount[] => {
      const [before = '', after = ''] = line.split(' - ')
      const [type, , options = ''] = after.split(' ')
      const [point, root] = [before.split(' ')[4] ?? '', before.split(' ')[3] ?? '/']
      if (type === 'cgroup2') {
        const path =
          own
            .find(([, names]) => names === '')
            ?.slice(2)
            .join(':') ?? '/'
        const names = read(join(point, 'cgroup.controllers')).split(/\s+/)
        return [
          {
            version: 2,
            point,
            own: join(point, below(root, path)),
            controllers: CONTROLLERS.filter((name) => names.includes(name)),
          },
        ]
      }
      if (type !== 'cgroup') return []
      const names = options.split(',')
      const path =
        own
          .find(([, mine = '']) => mine !== '' && mine.split(',').every((name) => names.includes(name)))
          ?.slice(2)
          .join(':') ?? '/'
      return [
        {
          version: 1,
          point,
          own: join(point, below(root, path)),
          controllers: CONTROLLERS.filter((name) => names.includes(name)),
        },
      ]
    })
}

const below = (root: string, path: string): string =>
  root !== '/' && path.startsWith(root) ? path.slice(root.length) : path

/** Root makes its group at the top, where no supervisor's end reaches it; an ordinary user below or beside its own group, where that was delegated. */
function tryParents(mount: Mount, wanted: readonly Controller[], name: string): Hierarchy | null {
  for (const parent of [mount.point, mount.own, join(mount.own, '..')]) {
    const base = join(parent, name)
    const controllers = probe(mount.version, parent, base, wanted)
    if (controllers.length > 0) return { version: mount.version, base, controllers }
  }
  return null
}

/** Makes a group in a group, and sees which controllers it got. */
function probe(version: 1 | 2, parent: string, base: string, wanted: readonly Controller[]): Controller[] {
  const inner = join(base, 'probe')
  if (!existsSync(join(parent, 'cgroup.procs'))) return []
  try {
    if (version === 2) makeCgroups(enableSteps(parent, wanted))
    mkdirSync(base, { recursive: true })
    if (version === 2) makeCgroups(enableSteps(base, wanted))
    mkdirSync(inner, { recursive: true })
    writeFileSync(join(inner, 'cgroup.procs'), '')
    return wanted.filter((name) => existsSync(join(inner, MARKS[version][name])))
  } catch {
    return [] // not allowed here: the notes say that nothing is limited
  } finally {
    removeEmpty(inner)
    removeEmpty(base)
  }
}

/** A replica's group in one hierarchy. */
function groupSteps({ version, base, controllers }: Hierarchy, name: string, resources: Resources): CgroupStep[] {
  const group = join(base, name)
  const settings = cgroupSettings(version, resources).filter(({ controller }) => controllers.includes(controller))
  return [
    ...(version === 2 ? [...enableSteps(join(base, '..'), controllers), ...enableSteps(base, controllers)] : []),
    { folder: group },
    ...settings.map(({ file, value, optional }) => ({ file: join(group, file), value, optional })),
  ]
}

/** Gives the groups in `folder` these controllers (v2). A group with processes of its own may refuse: the probe sees it. */
const enableSteps = (folder: string, controllers: readonly Controller[]): CgroupStep[] => [
  { folder },
  ...controllers.map((name) => ({ file: join(folder, 'cgroup.subtree_control'), value: `+${name}`, optional: true })),
]

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Groups with processes or groups in them stay; a later sweep takes them. */
function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // in use, or gone
  }
}
