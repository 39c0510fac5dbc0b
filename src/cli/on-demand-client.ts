import { ApiClient } from './api-client.ts'
import type { Session } from './session.ts'

/**
 * Asks a server that a command started for itself. When it is killed under a change that is waited for, its successor is started,
 * which goes on with it: nobody else would. One that ended as it was told stays ended.
 */
export class OnDemandClient extends ApiClient {
  readonly #session: Session
  readonly #folder: string

  constructor(socket: string, session: Session, folder: string) {
    super({ kind: 'socket', path: socket })
    this.#session = session
    this.#folder = folder
  }

  override async recover(wasCut: boolean): Promise<void> {
    const { host, signal, output } = this.#session
    if (!wasCut || (await host.runningServer(this.#folder)) !== null) return
    output.tell('the server was killed: starting the next one')
    await host.startServer(this.#folder, signal)
  }
}
