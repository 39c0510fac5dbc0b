import { realpath } from 'node:fs/promises'
import { dirname } from 'node:path'
import { diskFull } from '../../../model/disk-full.ts'
import { DeployError } from '../../../model/failure.ts'
import { makeFolder, writeFileAtomic } from '../../../os/atomic-file.ts'
import type { Environment } from '../settings/proxy-for.ts'
import { credentialHelper } from './credential-helper.ts'
import { findLogin, helperOf } from './find-login.ts'
import { entries, hostKeys, loginKeys, ownLoginFile, readLoginFile, readLoginJson, unusable } from './login-files.ts'

/**
 * Stores a login where docker does: with the helper that its configuration names, else in the file, which only its user can
 * read. What else the file says stays as it is. Answers the place. Throws REGISTRY_AUTH_FAILED.
 */
export async function storeLogin(
  host: string,
  login: { readonly username: string; readonly password: string },
  env: Environment,
  signal: AbortSignal,
): Promise<string> {
  const path = ownLoginFile(env)
  const helper = await helperIn(path, host, env)
  await helper?.program.store(helper.key, login, signal)
  const auth = Buffer.from(`${login.username}:${login.password}`).toString('base64')
  await changeAuths(path, (auths) => {
    for (const key of hostKeys(host)) auths.delete(key)
    auths.set(hostKeys(host)[0] ?? host, helper === null ? { auth } : {})
  })
  return helper?.program.program ?? path
}

/**
 * Forgets the login for a host where `storeLogin` keeps it. Answers whether there was one, and where another login for the
 * host is still found (`podman login` has files of its own). Throws REGISTRY_AUTH_FAILED.
 */
export async function forgetLogin(
  host: string,
  env: Environment,
  signal: AbortSignal,
): Promise<{ readonly wasThere: boolean; readonly remains: string | null }> {
  const path = ownLoginFile(env)
  const helper = await helperIn(path, host, env)
  const wasHelped = helper !== null && (await helper.program.get(helper.key, signal)) !== null
  if (wasHelped) await helper.program.erase(helper.key, signal)
  const wasInFile = await changeAuths(path, (auths) => {
    for (const key of loginKeys(host, null)) auths.delete(key)
  })
  const other = await findLogin(host, null, env, signal)
  return { wasThere: wasHelped || wasInFile, remains: other?.place ?? null }
}

async function helperIn(path: string, host: string, env: Environment) {
  const file = await readLoginFile(path)
  const named = file === null ? null : helperOf(file, host)
  return named === null ? null : { program: credentialHelper(named.helper, env), key: named.key }
}

/** Changes the entries of a file of logins, whole or not at all. Answers whether anything differs. */
async function changeAuths(path: string, change: (auths: Map<string, unknown>) => void): Promise<boolean> {
  const before = await readLoginJson(path)
  const auths = new Map(entries(before?.auths))
  change(auths)
  const after = JSON.stringify({ ...before, auths: Object.fromEntries(auths) }, null, '\t')
  if (after === JSON.stringify({ ...before, auths: Object.fromEntries(entries(before?.auths)) }, null, '\t'))
    return false
  try {
    // The file may be a link into another folder: what it leads to is replaced, not the link.
    const target = await realpath(path).catch(() => path)
    await makeFolder(dirname(target), 0o700)
    await writeFileAtomic(target, `${after}\n`, 0o600)
  } catch (failed) {
    const full = diskFull(failed, `writing ${path}`)
    throw full instanceof DeployError
      ? full
      : unusable(`${path} cannot be written: ${(failed as NodeJS.ErrnoException).code}`, failed)
  }
  return true
}
