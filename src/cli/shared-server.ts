import { backoff } from '../lib/backoff.ts'
import { DeployError } from '../model/failure.ts'
import { ApiClient, SERVER_GONE } from './api-client.ts'
import type { Connection } from './connection.ts'
import type { OpenServer } from './host.ts'
import type { Session } from './session.ts'

/** Whether a command changes what runs, or only looks. */
export type Use = 'changes' | 'looks'

/** How long a folder may be between two servers. */
const AWAY_MS = 60_000
/** How long a command stays, after its own work, for what others asked its server for. */
const STAY_MS = 15 * 60_000
const AGAIN_MS = 20

/**
 * The server of a data folder that has none of its own: it lives in the process of the first command, others join it, and
 * whoever is there when it is gone opens the folder next. The command that has it stays until the work of the others is done;
 * killed or interrupted, it is survived by them.
 */
export class SharedServer implements Connection {
  readonly isShared = true
  readonly #session: Session
  readonly #folder: string
  readonly #use: Use
  /** Of whichever server is there: the folder's. */
  #socket = ''
  #client: ApiClient | null = null
  #server: OpenServer | null = null
  #finding: Promise<boolean> | null = null
  #isLeaving = false

  private constructor(session: Session, folder: string, use: Use) {
    this.#session = session
    this.#folder = folder
    this.#use = use
  }

  /** The one that is there, else in this process. Throws SERVER_UNREACHABLE when the folder has no server that answers, and stays locked. */
  static async join(session: Session, folder: string, use: Use): Promise<Connection> {
    const shared = new SharedServer(session, folder, use)
    await untilTrue(session, () => shared.#find())
    return shared
  }

  get client(): ApiClient {
    this.#client ??= new SharedClient(this.#socket, this.#session, () => this.#find())
    return this.#client
  }

  get kind(): Connection['kind'] {
    return this.#server === null ? 'detached' : 'inside'
  }

  get isInterruptible(): boolean {
    return this.#server !== null || isWithin(this.#session)
  }

  /** Also in the process of another command, and where that goes in the same moment: a cancelled pipeline ends all of its jobs. */
  async interrupt(operation: string): Promise<void> {
    this.#isLeaving = true
    const { clock, signal } = this.#session
    const until = clock.monotonic() + AWAY_MS
    while (true) {
      await untilTrue(this.#session, () => this.#find())
      if (this.#server !== null) return this.#server.interrupt(operation)
      try {
        return await this.client.post(`/v1/operations/${operation}/interrupt`, {}, signal)
      } catch (failed) {
        if (!isGone(failed) || clock.monotonic() > until) throw failed
      }
    }
  }

  async close(): Promise<void> {
    await this.#finding?.catch(() => false)
    if (this.#server === null) return
    if (!this.#isLeaving && !this.#session.signal.aborted) await this.#stay(this.#server)
    await this.#server.close()
  }

  /** Whether there is a server; where there is none, one is opened. false: somebody is just opening or closing it. */
  #find(): Promise<boolean> {
    this.#finding ??= this.#look().finally(() => {
      this.#finding = null
    })
    return this.#finding
  }

  async #look(): Promise<boolean> {
    const { host, signal } = this.#session
    if (this.#server !== null) return true
    const running = await host.runningServer(this.#folder)
    if (running !== null) {
      this.#socket = running
      return true
    }
    try {
      if (isWithin(this.#session)) await this.#open()
      else this.#socket = await host.startServer(this.#folder, signal)
      return true
    } catch (failed) {
      if (isTaken(failed)) return false
      throw failed
    }
  }

  async #open(): Promise<void> {
    const { host } = this.#session
    this.#server = await host.openServer({ folder: this.#folder, listen: null, token: null, inside: this.#use })
    this.#socket = this.#server.socket
  }

  /** Ctrl-C, --timeout and the bound hand over what is not done yet: whoever asked for it opens the folder, and goes on. */
  async #stay(server: OpenServer): Promise<void> {
    const { interrupts, output } = this.#session
    const leaving = new AbortController()
    const giveBack = interrupts.answerBy((reason) => leaving.abort(reason))
    try {
      await server.finish(
        (apps) => {
          const names = apps.map(({ app, environment }) => `${app} (${environment})`).join(', ')
          output.tell(`staying until ${names} is done: its server is in this command. Ctrl-C leaves it to the others`)
        },
        AbortSignal.any([leaving.signal, AbortSignal.timeout(STAY_MS)]),
      )
    } catch {
      output.tell('leaving it to the others')
    } finally {
      giveBack()
    }
  }
}

/** A client that asks again what a server that went away certainly did not begin, or what can be asked twice. */
class SharedClient extends ApiClient {
  readonly #session: Session
  readonly #find: () => Promise<boolean>

  constructor(socket: string, session: Session, find: () => Promise<boolean>) {
    super({ kind: 'socket', path: socket })
    this.#session = session
    this.#find = find
  }

  override async recover(): Promise<void> {
    await this.#find()
  }

  override get<T>(path: string, signal: AbortSignal): Promise<T> {
    return this.#again(() => super.get<T>(path, signal), true)
  }

  override post<T>(path: string, body: object, signal: AbortSignal): Promise<T> {
    return this.#again(() => super.post<T>(path, body, signal), TWICE.includes(path))
  }

  override put<T>(path: string, body: object, signal: AbortSignal): Promise<T> {
    return this.#again(() => super.put<T>(path, body, signal), false)
  }

  override delete(path: string, signal: AbortSignal): Promise<void> {
    return this.#again(() => super.delete(path, signal), false)
  }

  async #again<T>(call: () => Promise<T>, isRepeatable: boolean): Promise<T> {
    const { clock, signal } = this.#session
    const until = clock.monotonic() + AWAY_MS
    while (true) {
      try {
        return await call()
      } catch (failed) {
        const mayAsk = hasBegunNothing(failed) || (isRepeatable && isGone(failed))
        if (!mayAsk || clock.monotonic() > until) throw failed
        await untilTrue(this.#session, this.#find)
        await clock.sleep(AGAIN_MS, signal)
      }
    }
  }
}

/** What ends the same when it is asked for twice: a deploy takes the place of the one before. */
const TWICE = ['/v1/deploys', '/v1/builds', '/v1/plans']

async function untilTrue({ clock, signal }: Session, look: () => Promise<boolean>): Promise<void> {
  const until = clock.monotonic() + AWAY_MS
  for (const delayMs of backoff(50, 500)) {
    if (await look()) return
    if (clock.monotonic() > until) break
    await clock.sleep(delayMs, signal)
  }
  throw new DeployError('SERVER_UNREACHABLE', 'no server answers, and another process holds the folder', {
    hint: 'See what is there with: naru doctor. End what hangs with: naru server --end.',
  })
}

const isGone = (failed: unknown): boolean =>
  failed instanceof DeployError && SERVER_GONE.includes(failed.code) && failed.cause !== undefined

/** Nobody listened, or the server said so. */
const hasBegunNothing = (failed: unknown): boolean =>
  failed instanceof DeployError &&
  (failed.code === 'SERVER_ENDING' ||
    (isGone(failed) && /ECONNREFUSED|ENOENT/.test((failed.cause as NodeJS.ErrnoException).code ?? '')))

/** Another command was faster, or a detached server could not start for that reason. */
const isTaken = (failed: unknown): boolean =>
  failed instanceof DeployError && (failed.code === 'SERVER_IN_USE' || SERVER_GONE.includes(failed.code))

/** Under CI, and with --no-server, no process is left behind: the server lives within a command. */
export function isWithin({ env: { CI }, options }: Pick<Session, 'env' | 'options'>): boolean {
  return options.noServer || (CI !== undefined && CI !== '' && CI !== 'false')
}
