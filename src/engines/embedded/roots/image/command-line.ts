import type { ImageConfig } from '../../../../model/descriptor.ts'
import { DeployError } from '../../../../model/failure.ts'
import type { ProcessUser } from './process-user.ts'

/** Program and arguments of a replica: `run` of the role replaces the image's CMD, its ENTRYPOINT stays. Throws IMAGE_INVALID when there is none. */
export function commandLine(
  config: ImageConfig['config'],
  run: readonly string[] | null,
): readonly [string, ...string[]] {
  const [program, ...args] = [...(config?.Entrypoint ?? []), ...(run ?? config?.Cmd ?? [])]
  if (program !== undefined && program !== '') return [program, ...args]
  throw new DeployError('IMAGE_INVALID', 'the image says no command to run, and the role has no `run`', {
    hint: 'Add CMD or ENTRYPOINT to the Dockerfile, or `run: [program, argument]` to the role.',
  })
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The environment of a replica: the image's, then the app's, then the role's, then what Naru says. Secrets are added later, in memory. */
export function environment(
  config: ImageConfig['config'],
  user: ProcessUser,
  app: Readonly<Record<string, string>>,
  role: Readonly<Record<string, string>>,
  naru: Readonly<Record<string, string>>,
): Record<string, string> {
  const image = (config?.Env ?? []).flatMap((line) => {
    const equals = line.indexOf('=')
    return equals > 0 ? [[line.slice(0, equals), line.slice(equals + 1)] as const] : []
  })
  return { PATH: DEFAULT_PATH, HOME: user.home, ...Object.fromEntries(image), ...app, ...role, ...naru }
}

const SIGNALS: Readonly<Record<string, NodeJS.Signals>> = {
  '1': 'SIGHUP',
  '2': 'SIGINT',
  '3': 'SIGQUIT',
  '6': 'SIGABRT',
  '9': 'SIGKILL',
  '10': 'SIGUSR1',
  '12': 'SIGUSR2',
  '15': 'SIGTERM',
  '28': 'SIGWINCH',
}

/** STOPSIGNAL of an image: `SIGQUIT`, `QUIT` or a number; SIGTERM where there is none. Throws IMAGE_INVALID. */
export function stopSignal(written: string | undefined): NodeJS.Signals {
  if (written === undefined || written === '') return 'SIGTERM'
  const name = written.toUpperCase()
  const signal = SIGNALS[name] ?? Object.values(SIGNALS).find((known) => known === name || known === `SIG${name}`)
  if (signal !== undefined) return signal
  throw new DeployError('IMAGE_INVALID', `the image has the stop signal ${JSON.stringify(written.slice(0, 40))}`, {
    hint: 'Write STOPSIGNAL SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2 or SIGWINCH in the Dockerfile.',
  })
}
