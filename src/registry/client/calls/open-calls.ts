import type { Clock } from '../../../lib/clock.ts'
import type { CredentialsOf } from '../logins/credentials.ts'
import type { AgentSettings } from './agents.ts'
import { Authorization } from './authorization.ts'
import { Connection } from './connection.ts'
import { RegistryCalls } from './registry-calls.ts'

/** Which registry, and how it is reached. */
export interface RegistryClientOptions {
  /** Host and port as in a reference: `registry.example.com:5000`, `docker.io`. */
  readonly host: string
  readonly clock: Clock
  /** Plain HTTP in place of TLS. Default: for localhost, 127.0.0.0/8 and [::1] only. */
  readonly plainHttp?: boolean
  /** Logins, asked for only when the registry wants one. Default: none. */
  readonly credentials?: CredentialsOf
  /** Whom to trust, who we are, and the proxies. Default: the authorities of Node, nobody, none. */
  readonly agents?: AgentSettings
  /** A host outside the registry's own site whose token service may see the login. Default: none. */
  readonly tokenService?: string
  /** A connection on which nothing moves for so long is given up. Default one minute. */
  readonly stallMs?: number
  /** How often a call is tried that fails for what may pass. Default 6: about 6 seconds. */
  readonly tries?: number
  /** From 0 to 1, for the jitter of waits. Default Math.random. */
  readonly random?: () => number
}

/** A connection to the registry, who calls, and the calls over it. `connection` is the caller's to close. */
export function openCalls(options: RegistryClientOptions) {
  const host = registryHost(options.host)
  const plain = options.plainHttp ?? isOwnMachine(host)
  const origin = new URL(`${plain ? 'http' : 'https'}://${host}`)
  const { clock, tries = 6, random = Math.random, stallMs = 60_000, credentials = async () => null } = options
  const connection = new Connection({ origin, stallMs, agents: options.agents ?? PLAIN_AGENTS })
  const authorization = new Authorization(connection, credentials, clock, options.tokenService ?? null)
  return { connection, authorization, calls: new RegistryCalls(connection, authorization, clock, { tries, random }) }
}

/** The host that answers for a registry: Docker Hub goes by several names. */
export const registryHost = (host: string): string =>
  host === 'docker.io' || host === 'index.docker.io' ? 'registry-1.docker.io' : host

const PLAIN_AGENTS: AgentSettings = { authorities: [], client: null, proxyOf: () => null }

const isOwnMachine = (host: string) => /^(?:localhost|127\.[0-9]+\.[0-9]+\.[0-9]+|\[::1\])(?::[0-9]+)?$/.test(host)
