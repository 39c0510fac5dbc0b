import type { RefusedLogin } from '../model/refused-login.ts'
import type { KeepingReport, KeepingRequest, ListedTag } from '../model/registry-keeping.ts'
import type { Readable } from 'node:stream'

/** What main.ts hands to the command line: everything that is not talking to the API. The command line picks no adapter. */
export interface CliHost {
  readonly version: string
  /** The data folder: --data, NARU_DATA, else /var/lib/naru as root and $XDG_DATA_HOME/naru (~/.local/share/naru) otherwise. */
  dataFolder(asked: string | null): string
  /** The socket of the server of a data folder that answers now, or null. */
  runningServer(folder: string): Promise<string | null>
  /** Starts a server of its own for the folder, detached, and answers its socket once it serves. Throws SERVER_UNREACHABLE with the end of its log. */
  startServer(folder: string, signal: AbortSignal): Promise<string>
  /** Runs the server in this process on its unix socket, and on TCP when `listen` is given. Resolves when it serves. Throws SERVER_IN_USE, PORT_TAKEN. */
  openServer(options: ServerOptions): Promise<OpenServer>
  /** Serves the registry of a data folder alone. Resolves when it serves. Throws SERVER_IN_USE, PORT_TAKEN, USAGE_INVALID. */
  serveRegistry(options: RegistryOptions): Promise<OpenRegistry>
  /** Collects or scrubs the registry of a data folder, also while it serves; the last report is what was done. Throws SERVER_IN_USE, SERVER_LOST, DISK_FULL. */
  keepRegistry(folder: string, request: KeepingRequest, signal: AbortSignal): AsyncIterable<KeepingReport>
  /** What a registry elsewhere has, by the login that is stored for it. Throws REGISTRY_*. */
  registryElsewhere(registry: string): Promise<ContentsHost>
  /** Who may log in to the registry of a data folder; one that serves need not be ended for it. */
  registryAccounts(folder: string): Promise<RegistryAccounts>
  /** Ends replicas (killed after `graceMs`), router and keeper of a data folder. Throws SERVER_IN_USE while a server works on it. */
  endFolder(folder: string, graceMs: number, signal: AbortSignal): Promise<void>
  /** Git, for what the command line must know of the folder in front of the user. */
  readonly repository: RepositoryHost
  /** Tries a login at a registry and stores it. Answers where, and whether the registry asked for it. Throws REGISTRY_*. */
  logIn(
    registry: string,
    login: { readonly username: string; readonly password: string },
    signal: AbortSignal,
  ): Promise<{ readonly place: string; readonly wasChecked: boolean }>
  /** Forgets the login for a registry. Answers whether there was one, and where another one is still found. Throws REGISTRY_AUTH_FAILED. */
  logOut(
    registry: string,
    signal: AbortSignal,
  ): Promise<{ readonly wasThere: boolean; readonly remains: string | null }>
  /** One check of this machine each, in order; for `naru doctor`. */
  doctor(folder: string, signal: AbortSignal): AsyncIterable<DoctorLine>
}

export interface ServerOptions {
  readonly folder: string
  /** `127.0.0.1:7070`; null: only the unix socket. */
  readonly listen: string | null
  /** Clients on TCP must present it; null: the one that is kept in the data folder, made when there is none. */
  readonly token: string | null
  /**
   * In the process of a command, and gone with it; absent: a server of its own. `looks`: the command changes nothing, so
   * nothing is gone on with that an earlier process left, until another command asks for it.
   */
  readonly inside?: 'changes' | 'looks'
  /** A command started it: one that waits when it is killed may start its successor. Default: somebody else looks after it. */
  readonly onDemand?: boolean
}

export interface OpenServer {
  /** Path of its unix socket. */
  readonly socket: string
  /** `http://127.0.0.1:7070`, when it listens on TCP. */
  readonly url: string | null
  /** Finishes the current step of an operation, puts back what was drained, and ends it with exit 9: nobody stays behind. */
  interrupt(operation: string): Promise<void>
  /**
   * Waits until every operation under way has ended, whoever asked for it, and begins no more from then on. `waiting` is
   * called with the apps that are waited for. Rejects with the signal's reason.
   */
  finish(waiting: (apps: readonly { app: string; environment: string }[]) => void, signal: AbortSignal): Promise<void>
  /** Ends it; replicas and router go on. */
  close(): Promise<void>
}

export interface RegistryOptions {
  readonly folder: string
  /** `127.0.0.1:5000`. */
  readonly listen: string
  /** Repositories that are copies of those of other registries, by what their names begin with. */
  readonly cache: readonly { readonly prefix: string; readonly registry: string }[]
  /** The most bytes that one repository, and all of the registry, may have; null: as many as the disk takes. */
  readonly quota: { readonly repository: number | null; readonly whole: number | null }
  /** A tag of a copy is asked for again after so long. */
  readonly cacheFreshMs: number
  /** What it does by itself while it serves. */
  readonly housekeeping: {
    /** Garbage is collected so often, and when the disk or a quota is full; null: never. */
    readonly collectEveryMs: number | null
    /** Tags of copies go with a collection that nobody asked for in so long; null: they stay. */
    readonly copiesUnusedMs: number | null
    readonly scrubEveryMs: number | null
    /** The most that a scrub reads in a second; null: as fast as the disk is. */
    readonly bytesPerSecond: number | null
    /** Told what was done, or failed. */
    readonly tell: (report: KeepingReport) => void
  }
  /** Rights of whoever has no login, as `pull` or `team/**:pull`. */
  readonly anonymous: readonly string[]
  /** Told of logins that were refused. */
  readonly refusedLogin: (login: RefusedLogin) => void
  /** Paths of PEM files; null: plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | null
}

/** Rights are texts, as `team/**:push`. Throws ACCOUNT_EXISTS, ACCOUNT_NOT_FOUND, NAME_INVALID, USAGE_INVALID. */
export interface RegistryAccounts {
  /** A `naru server` works on the folder, which knows no accounts. */
  readonly isOfServer: boolean
  addUser(name: string, password: string, rights: readonly string[]): Promise<void>
  /** Answers its token, which nobody can read any more later. */
  addRobot(name: string, rights: readonly string[], expiresAtMs: number | null): Promise<string>
  setPassword(name: string, password: string): Promise<void>
  renewToken(name: string, expiresAtMs: number | null): Promise<string>
  /** Answers the rights in their shortest spelling. */
  setRights(kind: 'user' | 'robot', name: string, rights: readonly string[]): Promise<readonly string[]>
  remove(kind: 'user' | 'robot', name: string): Promise<void>
  list(kind: 'user' | 'robot'): Promise<readonly RegistryAccount[]>
}

/** What is in a registry. `close` it. */
export interface ContentsHost {
  /** All that the login may see. */
  repositories(signal: AbortSignal): Promise<readonly { readonly repository: string; readonly tags: number }[]>
  tags(repository: string, signal: AbortSignal): Promise<readonly ListedTag[]>
  /** Deletes a tag, or a manifest with all its tags. False: it was not there. */
  remove(repository: string, reference: string, signal: AbortSignal): Promise<boolean>
  /** What tags lead to, of one repository or (null) of all that the login may see. */
  usage(repository: string | null, signal: AbortSignal): Promise<RegistryUsage>
  close(): void
}

export interface RegistryUsage {
  /** Largest first. What several have counts in each. */
  readonly repositories: readonly { readonly repository: string; readonly tags: number; readonly bytes: number }[]
  /** Each content once. */
  readonly bytes: number
  /** What a collection would free; null: nobody tells that from outside. */
  readonly garbageBytes: number | null
}

export interface RegistryAccount {
  readonly name: string
  readonly rights: readonly string[]
  readonly createdAtMs: number
  readonly expiresAtMs: number | null
}

export interface OpenRegistry {
  /** `https://0.0.0.0:5000`. */
  readonly url: string
  /** Path of its unix socket, which only its user can open and where all is allowed. */
  readonly socket: string
  /** Ends it; requests in progress have `graceMs`. */
  close(graceMs: number): Promise<void>
}

/** One commit with its files, to be sent as often as it takes; deleted when it is disposed. */
export interface CommitPack extends AsyncDisposable {
  readonly bytes: number
  open(): Readable
}

export interface RepositoryHost {
  /** The repository that a folder stands in, and the folder's path inside it; null: none. */
  find(folder: string, signal: AbortSignal): Promise<{ readonly root: string; readonly folder: string } | null>
  /** Changes that are not committed: how many, and the first names. */
  uncommitted(root: string, signal: AbortSignal): Promise<{ readonly count: number; readonly names: readonly string[] }>
  /** The commit that is checked out, and the branch it is on (null: detached); null: there is no commit yet. */
  head(root: string, signal: AbortSignal): Promise<{ readonly commit: string; readonly branch: string | null } | null>
  /** Who commits here, by git's settings; null: nobody is set. */
  userName(folder: string, signal: AbortSignal): Promise<string | null>
  /** A file at a revision of a local repository; null: the revision has none. Throws SOURCE_*. */
  fileAt(root: string, ref: string | null, path: string, signal: AbortSignal): Promise<string | null>
  /**
   * The commit that a ref means in a local repository, and what others call the repository: the URL of its remote without
   * user information, else the name of its folder. Throws SOURCE_*.
   */
  identify(root: string, ref: string, signal: AbortSignal): Promise<{ readonly commit: string; readonly url: string }>
  /** A commit without its history, as a git pack, less what those of `kept` have that the repository knows. Throws SOURCE_*. */
  pack(root: string, commit: string, kept: readonly string[], signal: AbortSignal): Promise<CommitPack>
}

export interface DoctorLine {
  readonly check: string
  readonly state: 'ok' | 'warning' | 'failed'
  readonly found: string
  /** What to do about it; null: nothing. */
  readonly fix: string | null
}
