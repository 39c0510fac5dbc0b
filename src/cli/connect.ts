import { DeployError } from '../model/failure.ts'
import { ApiClient } from './api-client.ts'
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
  const url = options.server ?? (options.noServer ? null : env.NARU_SERVER || null)
  if (url !== null) return outside(new ApiClient(elsewhere(url, env.NARU_TOKEN)), 'elsewhere')
  const folder = host.dataFolder(options.data)
  if (options.noServer) return inside(session, folder)
  const running = await host.runningServer(folder)
  if (running !== null) return outside(new ApiClient({ kind: 'socket', path: running }), 'detached')
  if (env.CI !== undefined && env.CI !== '' && env.CI !== 'false') return inside(session, folder)
  output.tell(`starting the server of ${folder}`)
  return outside(new ApiClient({ kind: 'socket', path: await host.startServer(folder, signal) }), 'detached')
}

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

function elsewhere(url: string, token: string | undefined) {
  const parsed = URL.parse(url)
  if (parsed !== null && /^https?:$/.test(parsed.protocol)) {
    return { kind: 'url', url: parsed.href, token: token || null } as const
  }
  throw new DeployError('USAGE_INVALID', `${JSON.stringify(url)} is no address of a server`, {
    hint: 'Write a URL, such as http://127.0.0.1:7070, into --server or NARU_SERVER.',
  })
}
