import { systemClock as clock } from '../os/system-clock.ts'
import { forgetLogin, storeLogin } from '../registry/client/logins/change-logins.ts'
import { tryLoginAt } from '../registry/client/open-registry.ts'

/** Tries a login at a registry, and stores it when it is taken. Throws REGISTRY_*. */
export async function logIn(
  registry: string,
  login: { readonly username: string; readonly password: string },
  signal: AbortSignal,
): Promise<{ readonly place: string; readonly wasChecked: boolean }> {
  const wasChecked = await tryLoginAt(registry, login, { clock, env: process.env }, signal)
  return { place: await storeLogin(registry, login, process.env, signal), wasChecked }
}

/** Forgets the login for a registry. */
export const logOut = (registry: string, signal: AbortSignal): ReturnType<typeof forgetLogin> =>
  forgetLogin(registry, process.env, signal)
