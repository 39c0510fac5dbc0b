import { run } from '../os/run.ts'
import { gitEnvironment } from './git-program.ts'
import type { RemotePlace, Settings } from './git-remote.ts'

/**
 * What is taken from the user's and the system's git settings: how to authenticate and how to get out. Not url.insteadOf
 * (the URL in the file is the one that is used), not core.sshCommand (a shell's line; ~/.ssh/config does the same).
 */
const TAKEN =
  /^(credential\..+|http\.(.+\.)?(proxy|proxyauthmethod|proxysslcainfo|sslcainfo|sslcapath|sslcert|sslkey|sslverify))$/s

/** Settings for asking a remote: credential helpers, proxies and certificates of the user, and the user information of the URL. */
export async function remoteSettings(
  callerEnv: Readonly<Record<string, string | undefined>>,
  place: RemotePlace,
  signal: AbortSignal,
): Promise<Settings> {
  if (place.protocol === 'ssh') return []
  const { GIT_CONFIG_GLOBAL: _global, GIT_CONFIG_NOSYSTEM: _system, ...env } = gitEnvironment(callerEnv)
  const lists = await Promise.all(
    ['--system', '--global'].map((which) =>
      run('git', ['config', which, '--includes', '--list', '-z'], { env, cwd: '/', timeoutMs: 20_000, signal }),
    ),
  )
  const taken = lists.flatMap(({ code, stdout }) => (code === 0 ? takenSettings(stdout) : []))
  return place.userInfo === null ? taken : [...taken, authorization(place.url, place.userInfo)]
}

/** The settings that are taken from the output of `git config --list -z`: key, newline, value, NUL. */
export function takenSettings(list: string): Settings {
  return list.split('\0').flatMap((item) => {
    const newline = item.indexOf('\n')
    const key = item.slice(0, newline)
    return newline > 0 && TAKEN.test(key) ? [[key, item.slice(newline + 1)] as const] : []
  })
}

/** For this host only; curl leaves it out when it is led to another one. */
function authorization(url: string, userInfo: string): readonly [string, string] {
  const value = `Authorization: Basic ${Buffer.from(userInfo).toString('base64')}`
  return [`http.${new URL(url).origin}/.extraHeader`, value]
}
