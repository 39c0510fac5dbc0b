import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'

/** The files of a data folder that more than one part needs. */
export const dataPaths = (folder: string) => ({
  socket: join(folder, 'server.sock'),
  /** Of `naru registry serve`; no longer than the one above, which readyFolder measures. */
  registrySocket: join(folder, 'v2.sock'),
  lock: join(folder, 'server.lock'),
  log: join(folder, 'server.log'),
  keeper: folder,
  registry: join(folder, 'registry'),
  /** Accounts and the key of tokens of `naru registry serve`. */
  access: join(folder, 'access'),
  mirrors: join(folder, 'cache', 'git'),
  buildCache: join(folder, 'cache', 'build'),
  work: join(folder, 'work'),
  probes: join(folder, 'probes'),
  keyFile: join(folder, 'secrets.key'),
})

/** --data, NARU_DATA, else where the system keeps such things: /var/lib/naru as root, the user's XDG data folder otherwise. */
export function dataFolder(asked: string | null, env: NodeJS.ProcessEnv): string {
  const named = asked ?? env.NARU_DATA
  if (named !== undefined && named !== '') return resolve(named)
  if (process.getuid?.() === 0) return '/var/lib/naru'
  const xdg = env.XDG_DATA_HOME
  return join(xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), '.local', 'share'), 'naru')
}
