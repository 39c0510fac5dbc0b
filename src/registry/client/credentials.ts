import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { DeployError } from '../../model/failure.ts'
import { ProgramNotStarted, run } from '../../os/run.ts'

/** What is shown to a registry, or to the token service that it names. Never printed, never in an argument list. */
export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity'; readonly token: string }

/** Finds the credentials of a registry host; null: none, ask as anybody. */
export type CredentialsOf = (host: string, signal: AbortSignal) => Promise<Credentials | null>

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The user's own logins: REGISTRY_AUTH_FILE, else `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`, with its
 * `credHelpers` and `credsStore` (programs `docker-credential-NAME`). Throws REGISTRY_AUTH_FAILED where the file or a helper is broken.
 */
export function dockerCredentials(env: Environment): CredentialsOf {
  const folder = env.DOCKER_CONFIG ?? join(env.HOME ?? homedir(), '.docker')
  const path = env.REGISTRY_AUTH_FILE ?? join(folder, 'config.json')
  return async (host, signal) => {
    const config = await readConfig(path)
    for (const name of namesOf(host)) {
      const helper = config.credHelpers.get(name) ?? config.credsStore
      const helped = helper === null ? null : await askHelper(helper, name, env, signal)
      const found = helped ?? config.auths.get(name)
      if (found !== undefined) return found
    }
    return null
  }
}

/** Under which names logins of a host may be kept. Docker Hub has names of its own. */
function namesOf(host: string): readonly string[] {
  if (host === 'registry-1.docker.io' || host === 'docker.io' || host === 'index.docker.io') {
    return ['https://index.docker.io/v1/', 'docker.io', 'index.docker.io', 'registry-1.docker.io']
  }
  return [host, `https://${host}`, `http://${host}`, `https://${host}/v1/`, `https://${host}/v2/`]
}

interface DockerConfig {
  readonly auths: ReadonlyMap<string, Credentials>
  readonly credHelpers: ReadonlyMap<string, string>
  readonly credsStore: string | null
}

async function readConfig(path: string): Promise<DockerConfig> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (failed) {
    const code = (failed as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return { auths: new Map(), credHelpers: new Map(), credsStore: null }
    throw unusable(`${path} cannot be read: ${code}`, failed)
  }
  try {
    const config = JSON.parse(text) as Record<string, unknown>
    return {
      auths: new Map(entries(config.auths).flatMap(([host, auth]) => parseAuth(host, auth))),
      credHelpers: new Map(entries(config.credHelpers).map(([host, helper]) => [host, String(helper)])),
      credsStore: typeof config.credsStore === 'string' && config.credsStore !== '' ? config.credsStore : null,
    }
  } catch (cause) {
    // The text of a syntax error may quote the file: it is left out.
    throw unusable(`${path} is no docker configuration`, cause instanceof SyntaxError ? undefined : cause)
  }
}

function parseAuth(host: string, auth: unknown): [string, Credentials][] {
  const { identitytoken, auth: encoded, username, password } = Object.fromEntries(entries(auth))
  if (typeof identitytoken === 'string' && identitytoken !== '') {
    return [[host, { kind: 'identity', token: identitytoken }]]
  }
  if (typeof username === 'string' && typeof password === 'string') {
    return [[host, { kind: 'password', username, password }]]
  }
  const decoded = typeof encoded === 'string' ? Buffer.from(encoded, 'base64').toString('utf8').replace(/\0+$/, '') : ''
  const colon = decoded.indexOf(':')
  if (colon < 0) return []
  return [[host, { kind: 'password', username: decoded.slice(0, colon), password: decoded.slice(colon + 1) }]]
}

/** Asks a credential helper: the host on its input, JSON on its output (docker-credential-helpers). */
async function askHelper(
  helper: string,
  host: string,
  env: Environment,
  signal: AbortSignal,
): Promise<Credentials | null> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(helper)) throw unusable(`${JSON.stringify(helper)} is no name of a helper`)
  const program = `docker-credential-${helper}`
  const defined = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined)
  try {
    const result = await run(program, ['get'], {
      env: Object.fromEntries(defined),
      input: host,
      timeoutMs: 30_000,
      signal,
      maxOutputBytes: 65_536,
    })
    if (result.code !== 0) return notStored(program, host, result.stdout)
    const { Username, Secret } = JSON.parse(result.stdout) as { Username?: unknown; Secret?: unknown }
    if (typeof Username !== 'string' || typeof Secret !== 'string' || Secret === '') return null
    if (Username === '<token>') return { kind: 'identity', token: Secret }
    return { kind: 'password', username: Username, password: Secret }
  } catch (failed) {
    if (failed instanceof ProgramNotStarted) throw unusable(`${program} is not installed`, failed)
    if (failed instanceof SyntaxError) throw unusable(`${program} answered no JSON`)
    throw failed
  }
}

function notStored(program: string, host: string, said: string): null {
  if (/not found|no credentials/i.test(said)) return null
  throw unusable(`${program} could not give the login for ${host}`)
}

const entries = (value: unknown): [string, unknown][] =>
  typeof value === 'object' && value !== null ? Object.entries(value) : []

const unusable = (message: string, cause?: unknown) =>
  new DeployError('REGISTRY_AUTH_FAILED', message, {
    hint: 'Mend the docker configuration (DOCKER_CONFIG, ~/.docker/config.json), or log in again with "naru login".',
    cause,
  })
