import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { DeployError } from '../../../model/failure.ts'
import { isRegistryHost, isRepository } from '../../../model/reference.ts'
import type { Environment } from './proxy-for.ts'

/** What a person set for one registry; nothing is assumed of a registry that is not named. */
export interface HostSettings {
  /** Plain HTTP in place of TLS; null: not said. */
  readonly plainHttp: boolean | null
  /** A file with certificates of further authorities (PEM); null: none. */
  readonly caFile: string | null
  /** A host outside the registry's own site whose token service may see the login; null: none. */
  readonly tokenService: string | null
  /** Where to read from before the registry itself, in order. */
  readonly mirrors: readonly Mirror[]
}

/** A registry that has the same images, below `prefix` (empty: at its root). */
export interface Mirror {
  readonly host: string
  readonly prefix: string
}

const NOTHING: HostSettings = { plainHttp: null, caFile: null, tokenService: null, mirrors: [] }
const MAX_BYTES = 1_048_576

const host = z.string().refine(isRegistryHost, 'is no host: write host or host:port, without https://')
const settings = z.strictObject({
  plainHttp: z.boolean().optional(),
  ca: z.string().min(1).optional(),
  tokenService: host.optional(),
  mirrors: z
    .array(z.string().refine((text) => mirrorOf(text) !== null, 'is no host or host/path'))
    .max(16)
    .optional(),
})
const file = z.record(host, settings)

/**
 * The settings of a registry in registries.json: NARU_REGISTRIES, else the user's (`$XDG_CONFIG_HOME/naru`, `~/.config/naru`)
 * and then the machine's (`/etc/naru`), the first that names it. A repository's own files have no say here.
 * Throws REGISTRY_SETTINGS_INVALID.
 */
export async function readHostSettings(registry: string, env: Environment): Promise<HostSettings> {
  const userFolder = env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config')
  const paths = env.NARU_REGISTRIES
    ? [env.NARU_REGISTRIES]
    : [join(userFolder, 'naru/registries.json'), '/etc/naru/registries.json']
  for (const path of paths) {
    const found = (await readSettings(path)).get(settingsName(registry))
    if (found !== undefined) return found
  }
  return NOTHING
}

/** Docker Hub has several names; its settings stand under `docker.io`. */
const settingsName = (registry: string) =>
  ['index.docker.io', 'registry-1.docker.io'].includes(registry) ? 'docker.io' : registry

async function readSettings(path: string): Promise<ReadonlyMap<string, HostSettings>> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (failed) {
    const code = (failed as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return new Map()
    throw invalid(`${path} cannot be read: ${code}`)
  }
  const parsed = file.safeParse(text.length > MAX_BYTES ? null : parsedJson(path, text))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const inner = issue?.code === 'invalid_key' ? issue.issues[0] : issue
    throw invalid(`${path}: ${[...(issue?.path ?? []), inner?.message ?? 'is no object'].map(String).join(': ')}`)
  }
  return new Map(Object.entries(parsed.data).map(([name, each]) => [settingsName(name), resolved(path, each)]))
}

function resolved(path: string, each: z.infer<typeof settings>): HostSettings {
  return {
    plainHttp: each.plainHttp ?? null,
    caFile: each.ca === undefined ? null : resolve(dirname(path), each.ca),
    tokenService: each.tokenService ?? null,
    mirrors: (each.mirrors ?? []).map(mirrorOf).filter((mirror) => mirror !== null),
  }
}

function mirrorOf(text: string): Mirror | null {
  const slash = text.indexOf('/')
  const name = slash < 0 ? text : text.slice(0, slash)
  const prefix = slash < 0 ? '' : text.slice(slash + 1)
  return isRegistryHost(name) && (prefix === '' || isRepository(prefix)) ? { host: name, prefix } : null
}

function parsedJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw invalid(`${path} is no JSON: ${(cause as Error).message}`)
  }
}

export const invalid = (message: string): DeployError =>
  new DeployError('REGISTRY_SETTINGS_INVALID', message, {
    hint: 'docs/registries.md shows what registries.json may hold. Nothing was sent.',
  })
