import type { Clock } from '../../lib/clock.ts'
import type { ContentStore } from '../content-store.ts'
import type { AgentSettings } from './agents.ts'
import { dockerCredentials } from './credentials.ts'
import { mirroredStore } from './mirrored-store.ts'
import { registryClient, registryHost } from './registry-client.ts'
import { machineAuthorities, readCertificates } from './settings/certificates.ts'
import { type HostSettings, readHostSettings } from './settings/host-settings.ts'
import { type Environment, proxyFor } from './settings/proxy-for.ts'

/** A mirror that does not answer is passed over soon: the registry itself is asked then. */
const MIRROR = { stallMs: 15_000, tries: 2 }

/**
 * A registry as this machine and its user set it up: logins, authorities, plain HTTP, mirrors, proxies (docs/registries.md).
 * Throws REGISTRY_SETTINGS_INVALID.
 */
export async function openRegistry(
  host: string,
  { clock, env }: { readonly clock: Clock; readonly env: Environment },
): Promise<ContentStore & { close(): void }> {
  const settings = await readHostSettings(host, env)
  const registry = await openHost(host, settings, clock, env)
  if (settings.mirrors.length === 0) return registry
  const mirrors = settings.mirrors.map(async (mirror) => ({
    ...mirror,
    store: await openHost(mirror.host, await readHostSettings(mirror.host, env), clock, env, MIRROR),
  }))
  return mirroredStore(registry, await Promise.all(mirrors), host)
}

async function openHost(
  host: string,
  settings: HostSettings,
  clock: Clock,
  env: Environment,
  patience: Partial<typeof MIRROR> = {},
) {
  return registryClient({
    host,
    clock,
    credentials: dockerCredentials(env),
    agents: await agentSettings(host, settings, env),
    ...(settings.plainHttp === null ? {} : { plainHttp: settings.plainHttp }),
    ...(settings.tokenService === null ? {} : { tokenService: settings.tokenService }),
    ...patience,
  })
}

async function agentSettings(host: string, settings: HostSettings, env: Environment): Promise<AgentSettings> {
  const { authorities, client } = await readCertificates(registryHost(host), settings.caFile, env)
  return {
    authorities: [...(await machineAuthorities(env)), ...authorities],
    client,
    proxyOf: (url) => proxyFor(url, env),
  }
}
