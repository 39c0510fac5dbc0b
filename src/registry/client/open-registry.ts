import type { Clock } from '../../lib/clock.ts'
import type { RemoteStore } from '../content-store.ts'
import type { RegistryContents } from '../contents/registry-contents.ts'
import type { AgentSettings } from './calls/agents.ts'
import { userCredentials } from './logins/find-login.ts'
import { mirroredStore } from './mirrored-store.ts'
import { type RegistryClientOptions, registryHost } from './calls/open-calls.ts'
import { registryClient } from './registry-client.ts'
import { tryLogin } from './try-login.ts'
import { machineAuthorities, readCertificates } from './settings/certificates.ts'
import { type HostSettings, readHostSettings } from './settings/host-settings.ts'
import { type Environment, proxyFor } from './settings/proxy-for.ts'

/** A mirror that does not answer is passed over soon: the registry itself is asked then. */
const MIRROR = { stallMs: 15_000, tries: 2 }

/** What opening a registry needs from outside. */
export interface Surroundings {
  readonly clock: Clock
  readonly env: Environment
}

/**
 * A registry as this machine and its user set it up: logins, authorities, plain HTTP, mirrors, proxies (docs/registries.md).
 * Throws REGISTRY_SETTINGS_INVALID.
 */
export async function openRegistry(host: string, surroundings: Surroundings): Promise<RemoteStore> {
  const { env } = surroundings
  const settings = await readHostSettings(host, env)
  const registry = registryClient(await optionsFor(host, settings, surroundings))
  if (settings.mirrors.length === 0) return registry
  const mirrors = settings.mirrors.map(async (mirror) => {
    const options = await optionsFor(mirror.host, await readHostSettings(mirror.host, env), surroundings)
    return { ...mirror, store: registryClient({ ...options, ...MIRROR }) }
  })
  return mirroredStore(registry, await Promise.all(mirrors), host)
}

/** What a registry has and may be deleted there: asked of itself, never of a mirror. Throws REGISTRY_SETTINGS_INVALID. */
export async function openContents(host: string, surroundings: Surroundings): Promise<RegistryContents> {
  return registryClient(await optionsFor(host, await readHostSettings(host, surroundings.env), surroundings))
}

/** Tries a login at a registry, reached as `openRegistry` does. Answers whether it asked for one. Throws REGISTRY_*. */
export async function tryLoginAt(
  host: string,
  login: { readonly username: string; readonly password: string },
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<boolean> {
  const options = await optionsFor(host, await readHostSettings(host, surroundings.env), surroundings)
  return tryLogin({ ...options, credentials: async () => ({ kind: 'password', ...login }) }, signal)
}

async function optionsFor(
  host: string,
  settings: HostSettings,
  { clock, env }: Surroundings,
): Promise<RegistryClientOptions> {
  return {
    host,
    clock,
    credentials: userCredentials(env),
    agents: await agentSettings(host, settings, env),
    ...(settings.plainHttp === null ? {} : { plainHttp: settings.plainHttp }),
    ...(settings.tokenService === null ? {} : { tokenService: settings.tokenService }),
  }
}

async function agentSettings(host: string, settings: HostSettings, env: Environment): Promise<AgentSettings> {
  const { authorities, client } = await readCertificates(registryHost(host), settings.caFile, env)
  return {
    authorities: [...(await machineAuthorities(env)), ...authorities],
    client,
    proxyOf: (url) => proxyFor(url, env),
  }
}
