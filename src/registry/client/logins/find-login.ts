import type { Credentials, CredentialsOf } from './credentials.ts'
import type { Environment } from '../settings/proxy-for.ts'
import { credentialHelper } from './credential-helper.ts'
import { hostKeys, type LoginFile, loginFiles, loginKeys, readLoginFile } from './login-files.ts'

/**
 * The user's own logins: docker's config.json and podman's auth.json with their `credHelpers` and `credsStore`, the first
 * that knows the registry. Throws REGISTRY_AUTH_FAILED where a file or a helper is broken.
 */
export function userCredentials(env: Environment): CredentialsOf {
  return async (host, repository, signal) => (await findLogin(host, repository, env, signal))?.credentials ?? null
}

/** A login, and where it was found: a file, or a helper's program. */
export async function findLogin(
  host: string,
  repository: string | null,
  env: Environment,
  signal: AbortSignal,
): Promise<{ readonly credentials: Credentials; readonly place: string } | null> {
  for (const path of loginFiles(env)) {
    const file = await readLoginFile(path)
    const found = file === null ? null : await loginIn(file, host, repository, env, signal)
    if (found !== null) return found
  }
  return null
}

async function loginIn(
  file: LoginFile,
  host: string,
  repository: string | null,
  env: Environment,
  signal: AbortSignal,
): Promise<{ readonly credentials: Credentials; readonly place: string } | null> {
  const name = helperOf(file, host)
  if (name !== null) {
    const helper = credentialHelper(name.helper, env)
    const credentials = await helper.get(name.key, signal)
    if (credentials !== null) return { credentials, place: helper.program }
  }
  for (const key of loginKeys(host, repository)) {
    const credentials = file.auths.get(key)
    if (credentials !== undefined) return { credentials, place: file.path }
  }
  return null
}

/** The helper that a file names for a host, and the key under which the helper knows the host. */
export function helperOf(
  { credHelpers, credsStore }: Pick<LoginFile, 'credHelpers' | 'credsStore'>,
  host: string,
): { readonly helper: string; readonly key: string } | null {
  const keys = hostKeys(host)
  for (const key of keys) {
    const helper = credHelpers.get(key)
    if (helper !== undefined) return { helper, key }
  }
  return credsStore === null ? null : { helper: credsStore, key: keys[0] ?? host }
}
