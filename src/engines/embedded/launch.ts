import type { Scope } from '../../model/app.ts'
import type { Release } from '../../model/release.ts'
import type { CgroupStep } from '../../os/cgroup.ts'
import type { FileOwner } from '../../os/open-log.ts'

/** How strongly a replica is kept apart on this machine (design.md section 6). */
export type Isolation = 'namespaces' | 'user-namespaces' | 'chroot' | 'none'

/** One process to start, as data: made by replica-roots, carried out by the keeper, which decides nothing. */
export interface Launch {
  /** Absolute path on the host, and its arguments: `unshare …`, `chroot …` or the program itself. */
  readonly program: string
  readonly args: readonly string[]
  /**
   * Arguments with which it makes everything ready and waits: it becomes the program when a byte comes on descriptor 3, and ends when that is
   * closed instead. Absent: it cannot wait.
   */
  readonly held?: readonly string[]
  /** The whole environment, without secrets (the keeper adds these in memory). */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** null: as the keeper. */
  readonly uid: number | null
  readonly gid: number | null
  /** Sent to stop it: the image's STOPSIGNAL, else SIGTERM. */
  readonly stopSignal: NodeJS.Signals
  /** Who gets the stop signal: the started process, or its only child (where the program is PID 1 of a namespace behind `unshare --fork`). */
  readonly signalTo: 'child' | 'grandchild'
  /** Whose its log is; absent: the keeper's, because the program runs as that. */
  readonly logOwner?: FileOwner
  /** `cgroup.procs` files into which the process is put before the program runs. */
  readonly cgroups: readonly string[]
  /** How these are made: after a restart of the machine they are gone. */
  readonly cgroupSteps: readonly CgroupStep[]
  /** Argument lists run to their end before the first start, and after the last end (mounts and their undoing). Each can be done twice. */
  readonly before: readonly (readonly string[])[]
  readonly after: readonly (readonly string[])[]
  /** Files written (0600, the replica's uid) before the start from secrets of that name, and removed after the end. */
  readonly secretFiles: readonly {
    readonly secret: string
    readonly path: string
    /** Who owns it; absent: as the process is started (`uid`, `gid`, else the keeper). */
    readonly uid?: number
    readonly gid?: number
  }[]
  /** Names of secrets that become environment variables. */
  readonly secretEnv: readonly string[]
}

/** A replica that is to be made. */
export interface ReplicaPlace {
  readonly scope: Scope
  /** `web-42-1`. */
  readonly replica: string
  readonly role: string
  readonly revision: number
  /** The assigned port; null: the role has none. */
  readonly port: number | null
}

/** The images on this machine, unpacked, and the folders of replicas: what stands between a release and a process. */
export interface ReplicaRoots {
  readonly isolation: Isolation
  /** Unpacks the release's layers (each once, under short names, shared), verified by digest; checks room first. Safe twice. */
  prepare(release: Release, signal: AbortSignal): Promise<void>
  /** Makes the replica's folder and says how to start its program. Safe twice. */
  launch(place: ReplicaPlace, release: Release, signal: AbortSignal): Promise<Launch>
  /** Brings what `launch` made to the disk: until then a power cut may leave parts of it. Safe twice. */
  settle(place: ReplicaPlace, signal: AbortSignal): Promise<void>
  /** How to run one command to its end in the release's image: migrate. It has a folder of its own. */
  launchOnce(place: ReplicaPlace, release: Release, command: readonly string[], signal: AbortSignal): Promise<Launch>
  /** How to run a command beside a running program, in what it sees: a readiness check of kind run. `pid`: of the program. */
  exec(place: ReplicaPlace, release: Release, command: readonly string[], pid: number): Promise<Launch>
  /** Deletes a replica's folder, cgroups and mounts. Safe twice; never follows a link out of the folder. */
  remove(scope: Scope, replica: string): Promise<void>
  /**
   * Deletes unpacked layers that no kept revision and no replica uses, and the folders of replicas that are not `there`: what a killed
   * process made ready and never started.
   */
  prune(scope: Scope, keep: readonly number[], there: readonly string[], signal: AbortSignal): Promise<void>
}
