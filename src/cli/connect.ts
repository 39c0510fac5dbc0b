import type { ServerBody } from '../api/responses.ts'
import { DeployError } from '../model/failure.ts'
import { ApiClient, SERVER_GONE, type ServerAddress } from './api-client.ts'
import type { Connection } from './connection.ts'
import type { Session } from './session.ts'
import { OnDemandClient } from './on-demand-client.ts'
import { isWithin, SharedServer, type Use } from './shared-server.ts'

/**
 * --server or NARU_SERVER; else the one of the data folder, started if needed; under CI without a running one, or with
 * --no-server, one inside this process.
 */
async function connect(session: Session, use: Use): Promise<Connection> {
  const { host, options, output, signal } = session
  const elsewhere = serverElsewhere(session)
  if (elsewhere !== null) return outside(new ApiClient(elsewhere), 'elsewhere')
  const folder = host.dataFolder(options.data)
  const running = await host.runningServer(folder)
  if (running !== null) {
    const client = new ApiClient({ kind: 'socket', path: running })
    const { inside, onDemand } = await describe(client, signal)
    if (inside) return SharedServer.join(session, folder, use)
    if (options.noServer) throw serverRuns(folder)
    return outside(onDemand && use === 'changes' ? new OnDemandClient(running, session, folder) : client, 'detached')
  }
  if (isWithin(session)) return SharedServer.join(session, folder, use)
  output.tell(`starting the server of ${folder}`)
  return outside(new OnDemandClient(await host.startServer(folder, signal), session, folder), 'detached')
}

/** Where a server lives; one that has just gone lived in the process of another command. */
async function describe(client: ApiClient, signal: AbortSignal): Promise<Pick<ServerBody, 'inside' | 'onDemand'>> {
  try {
    return await client.get<ServerBody>('/v1/server', signal)
  } catch (failed) {
    if (failed instanceof DeployError && SERVER_GONE.includes(failed.code)) return { inside: true, onDemand: false }
    throw failed
  }
}

/** The server that is named by its URL (--server, NARU_SERVER), with NARU_TOKEN; null: one of this machine. Throws USAGE_INVALID. */
export function serverElsewhere({ options, env }: Pick<Session, 'options' | 'env'>): ServerAddress | null {
  const url = options.server ?? (options.noServer ? null : env.NARU_SERVER || null)
  if (url === null) return null
  const parsed = URL.parse(url)
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) throw noAddress(url)
  if (parsed.username !== '' || parsed.password !== '' || parsed.search !== '') throw withToken(parsed)
  if (parsed.protocol === 'http:' && !isOfThisMachine(parsed) && env.NARU_INSECURE !== '1') throw unprotected(parsed)
  return { kind: 'url', url: parsed.href, token: env.NARU_TOKEN?.trim() || null }
}

/** Whether what is sent to a URL stays on this machine. */
export const isOfThisMachine = ({ hostname }: URL): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)

/** Runs `work` with a server, and lets go of it however that ends. */
export async function withServer<T>(
  session: Session,
  use: Use,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await connect(session, use)
  try {
    return await work(connection)
  } finally {
    await connection.close()
  }
}

const outside = (client: ApiClient, kind: Connection['kind']): Connection => ({
  client,
  kind,
  isShared: false,
  isInterruptible: false,
  interrupt: async () => {},
  close: async () => {},
})

const serverRuns = (folder: string) =>
  new DeployError('SERVER_IN_USE', `a server of its own works on ${folder}`, {
    hint: 'Use that one (leave out --no-server), or give this one a folder of its own with --data.',
    detail: { folder },
  })

/** What stands before an @ may be a token. */
const noAddress = (url: string) =>
  new DeployError('USAGE_INVALID', `${JSON.stringify(url.replace(/^.*@/, '…@'))} is no address of a server`, {
    hint: 'Write a URL, such as http://127.0.0.1:7070, into --server or NARU_SERVER, and the token into NARU_TOKEN.',
  })

/** A URL is shown, logged and remembered in many places. */
const withToken = ({ origin }: URL) =>
  new DeployError('USAGE_INVALID', `the address of the server holds more than ${origin}`, {
    hint: `Nothing was sent. Write ${origin} alone into --server or NARU_SERVER, and the token into NARU_TOKEN.`,
  })

/** The token, secrets and the source would be readable on the way, and whoever has the token may run programs there. */
const unprotected = ({ origin, hostname }: URL) =>
  new DeployError('USAGE_INVALID', `${origin} would be sent the token unencrypted`, {
    hint: `Nothing was sent. Use https:// (a TLS proxy before the server), a tunnel (ssh -L 7070:127.0.0.1:7070 ${hostname}), or, within a VPN, set NARU_INSECURE=1.`,
  })
