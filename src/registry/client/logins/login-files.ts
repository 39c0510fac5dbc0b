import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { DeployError } from '../../../model/failure.ts'
import type { Environment } from '../settings/proxy-for.ts'
import type { Credentials } from './credentials.ts'

/** A file of logins: docker's config.json, or auth.json of podman, buildah and skopeo, which has the same shape. */
export interface LoginFile {
  readonly path: string
  readonly auths: ReadonlyMap<string, Credentials>
  readonly credHelpers: ReadonlyMap<string, string>
  readonly credsStore: string | null
}

/** Where a login is stored: REGISTRY_AUTH_FILE, else `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. */
export function ownLoginFile(env: Environment): string {
  const folder = env.DOCKER_CONFIG || join(env.HOME || homedir(), '.docker')
  return env.REGISTRY_AUTH_FILE || join(folder, 'config.json')
}

/** Where logins are looked for, in order: REGISTRY_AUTH_FILE alone where it is set, else docker's file and then those of podman. */
export function loginFiles(env: Environment): readonly string[] {
  const own = ownLoginFile(env)
  if (env.REGISTRY_AUTH_FILE) return [own]
  const runtime = env.XDG_RUNTIME_DIR || `/run/containers/${process.getuid?.() ?? 0}`
  const config = env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config')
  return [
    own,
    env.XDG_RUNTIME_DIR ? join(runtime, 'containers/auth.json') : join(runtime, 'auth.json'),
    join(config, 'containers/auth.json'),
  ]
}

/** Under which keys the login for a repository may stand, the nearest first: `host/team/shop`, `host/team`, then the host's names. */
export function loginKeys(host: string, repository: string | null): readonly string[] {
  const [name = host, ...others] = hostKeys(host)
  const parts = repository === null ? [] : repository.split('/')
  const paths = parts.map((_, at) =>
    [host === 'registry-1.docker.io' ? 'docker.io' : name, ...parts.slice(0, parts.length - at)].join('/'),
  )
  return [...paths, name, ...others]
}

/** The names of a host, first the one under which a login is stored. Docker Hub has names of its own. */
export function hostKeys(host: string): readonly string[] {
  if (host === 'registry-1.docker.io' || host === 'docker.io' || host === 'index.docker.io') {
    return ['https://index.docker.io/v1/', 'docker.io', 'index.docker.io', 'registry-1.docker.io']
  }
  return [host, `https://${host}`, `http://${host}`, `https://${host}/`, `https://${host}/v1/`, `https://${host}/v2/`]
}

/** The file as it stands there; null: there is none. Throws REGISTRY_AUTH_FAILED. */
export async function readLoginJson(path: string): Promise<Record<string, unknown> | null> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (failed) {
    const code = (failed as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw unusable(`${path} cannot be read: ${code}`, failed)
  }
  try {
    const parsed: unknown = text.trim() === '' ? {} : JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
      return parsed as Record<string, unknown>
  } catch {
    // The text of a syntax error may quote the file: it is left out.
  }
  throw unusable(`${path} is no file of logins`)
}

/** What the file says about logins; null: there is none. Throws REGISTRY_AUTH_FAILED. */
export async function readLoginFile(path: string): Promise<LoginFile | null> {
  const config = await readLoginJson(path)
  if (config === null) return null
  return {
    path,
    auths: new Map(entries(config.auths).flatMap(([key, auth]) => parseAuth(key, auth))),
    credHelpers: new Map(entries(config.credHelpers).map(([key, helper]) => [key, String(helper)])),
    credsStore: typeof config.credsStore === 'string' && config.credsStore !== '' ? config.credsStore : null,
  }
}

function parseAuth(key: string, auth: unknown): [string, Credentials][] {
  const { identitytoken, auth: encoded, username, password } = Object.fromEntries(entries(auth))
  if (typeof identitytoken === 'string' && identitytoken !== '') {
    return [[key, { kind: 'identity', token: identitytoken }]]
  }
  if (typeof username === 'string' && typeof password === 'string') {
    return [[key, { kind: 'password', username, password }]]
  }
  const decoded = typeof encoded === 'string' ? Buffer.from(encoded, 'base64').toString('utf8').replace(/\0+$/, '') : ''
  const colon = decoded.indexOf(':')
  if (colon < 0) return []
  return [[key, { kind: 'password', username: decoded.slice(0, colon), password: decoded.slice(colon + 1) }]]
}

export const entries = (value: unknown): [string, unknown][] =>
  typeof value === 'object' && value !== null ? Object.entries(value) : []

/** A login that cannot be read or written. The message holds no word of it. */
export const unusable = (message: string, cause?: unknown): DeployError =>
  new DeployError('REGISTRY_AUTH_FAILED', message, {
    hint: 'Mend the file of logins (docs/registries.md says which), or log in again with "naru login REGISTRY".',
    cause,
  })
