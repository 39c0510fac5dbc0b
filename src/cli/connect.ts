import { DeployError } from '../model/failure.ts'
import { ApiClient, type ServerAddress } from './api-client.ts'
import type { Session } from './session.ts'

/** The server that a command talks to, and what becomes of it when the command ends. */
export interface Connection {
  readonly client: ApiClient
  /** `inside`: it runs in this process, and ends with it. `detached`: of this machine. `elsewhere`: by its URL. */
  readonly kind: 'inside' | 'detached' | 'elsewhere'
  /** Only inside: finishes the current step and ends what is under way with exit 9. */
  interrupt(): Promise<void>
  close(): Promise<void>
}

/**
 * --server or NARU_SERVER; else the one of the data folder, started if needed; under CI without a running one, or with
 * --no-server, one inside this process.
 */
export async function connect(session: Session): Promise<Connection> {
  const { host, options, env, output, signal } = session
  const elsewhere = serverElsewhere(session)
  if (elsewhere !== null) return outside(new ApiClient(elsewhere), 'elsewhere')
  const folder = host.dataFolder(options.data)
  if (options.noServer) return inside(session, folder)
  const running = await host.runningServer(folder)
  if (running !== null) return outside(new ApiClient({ kind: 'socket', path: running }), 'detached')
  if (env.CI !== undefined && env.CI !== '' && env.CI !== 'false') return inside(session, folder)
  output.tell(`starting the server of ${folder}`)
  return outside(new ApiClient({ kind: 'socket', path: await host.startServer(folder, signal) }), 'detached')
}

/** The server that is named by its URL (--server, NARU_SERVER), with NARU_TOKEN; null: one of this machine. Throws USAGE_INVALID. */
export function serverElsewhere({ options, env }: Pick<Session, 'options' | 'env'>): ServerAddress | null {
  const url = options.server ?? (options.noServer ? null : env.NARU_SERVER || null)
  if (url === null) return null
  const parsed = URL.parse(url)
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) throw noAddress(url)
  if (parsed.protocol === 'http:' && !isOfThisMachine(parsed) && env.NARU_INSECURE !== '1') throw unprotected(parsed)
  return { kind: 'url', url: parsed.href, token: env.NARU_TOKEN?.trim() || null }
}

/** Whether what is sent to a URL stays on this machine. */
export const isOfThisMachine = ({ hostname }: URL): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)

/** Runs `work` with a server, and lets go of it however that ends. */
export async function withServer<T>(session: Session, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await connect(session)
  try {
    return await work(connection)
  } finally {
    await connection.close()
  }
}

const outside = (client: ApiClient, kind: Connection['kind']): Connection => ({
  client,
  kind,
  interrupt: async () => {},
  close: async () => {},
})

async function inside({ host }: Session, folder: string): Promise<Connection> {
  const server = await host.openServer({ folder, listen: null, token: null })
  return {
    client: new ApiClient({ kind: 'socket', path: server.socket }),
    kind: 'inside',
    interrupt: () => server.interrupt(),
    close: () => server.close(),
  }
}

const noAddress = (url: string) =>
  new DeployError('USAGE_INVALID', `${JSON.stringify(url)} is no address of a server`, {
    hint: 'Write a URL, such as http://127.0.0.1:7070, into --server or NARU_SERVER.',
  })

/** The token, secrets and the source would be readable on the way, and whoever has the token may run programs there. */
const unprotected = ({ origin, hostname }: URL) =>
  new DeployError('USAGE_INVALID', `${origin} would be sent the token unencrypted`, {
    hint: `Nothing was sent. Use https:// (a TLS proxy before the server), a tunnel (ssh -L 7070:127.0.0.1:7070 ${hostname}), or, within a VPN, set NARU_INSECURE=1.`,
  })
