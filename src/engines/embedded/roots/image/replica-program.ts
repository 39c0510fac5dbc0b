import type { Resources } from '../../../../model/app.ts'
import { DeployError } from '../../../../model/failure.ts'
import type { Release } from '../../../../model/release.ts'
import type { ReplicaPlace } from '../../launch.ts'
import { commandLine, environment, stopSignal } from './command-line.ts'
import { splitEnvironment } from '../start/enter-chain.ts'
import { findProgram, type Program } from './find-program.ts'
import type { ImageFiles } from './image-files.ts'
import type { PreparedRelease } from './prepared-release.ts'
import { type ProcessUser, processUser } from './process-user.ts'

/** Everything that a release and its image say about one process, found before it is started. */
export interface ReplicaProgram {
  readonly user: ProcessUser
  /** Absolute, inside the image, without links where it exists. */
  readonly cwd: string
  readonly program: Program
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** The image's own env program, where variables have to be set inside. */
  readonly envProgram: string | null
  readonly stopSignal: NodeJS.Signals
  readonly resources: Resources
}

/** What to run: a role's program, a command in its place (ENTRYPOINT stays, as for `run`), or a command by itself. */
export type Wanted =
  | { readonly kind: 'role' }
  | { readonly kind: 'once'; readonly command: readonly string[] }
  | { readonly kind: 'exec'; readonly command: readonly string[] }

const UNLIMITED: Resources = {
  cpuRequestMilli: null,
  cpuLimitMilli: null,
  memoryRequestBytes: null,
  memoryLimitBytes: null,
}

/** Pure but for looking into the image. Throws REPLICA_PROGRAM_NOT_FOUND, REPLICA_WRONG_ARCHITECTURE, REPLICA_START_FAILED, IMAGE_INVALID. */
export function replicaProgram(
  wanted: Wanted,
  place: ReplicaPlace,
  release: Release,
  prepared: PreparedRelease,
  files: ImageFiles,
): ReplicaProgram {
  const { config } = prepared.config
  const role = release.settings.roles.find(({ name }) => name === place.role)
  const user = processUser(config?.User ?? '', files)
  const env = environment(config, user, release.settings.env, role?.env ?? {}, naruEnvironment(place))
  const written = config?.WorkingDir === undefined || config.WorkingDir === '' ? '/' : config.WorkingDir
  const cwd = files.find(written)?.inside ?? `/${written.split('/').filter(Boolean).join('/')}`
  const search = { files, path: env.PATH ?? '', cwd, architecture: process.arch }
  const [command, ...args] = wantedCommand(wanted, config, role?.run ?? null)
  const program = findProgram(command, search)
  const envProgram = splitEnvironment(env).inside.length === 0 ? null : findEnvProgram(search)
  const resources = wanted.kind === 'role' ? (role?.resources ?? UNLIMITED) : UNLIMITED
  return { user, cwd, program, args, env, envProgram, stopSignal: stopSignal(config?.StopSignal), resources }
}

function wantedCommand(
  wanted: Wanted,
  config: PreparedRelease['config']['config'],
  run: readonly string[] | null,
): readonly [string, ...string[]] {
  if (wanted.kind === 'exec') return commandLine({}, wanted.command)
  return commandLine(config, wanted.kind === 'once' ? wanted.command : run)
}

/** What a replica may want to know of itself; PORT is where it has to listen. */
function naruEnvironment({ scope, replica, role, revision, port }: ReplicaPlace): Record<string, string> {
  return {
    NARU_APP: scope.app,
    NARU_ENVIRONMENT: scope.environment,
    NARU_ROLE: role,
    NARU_REVISION: `${revision}`,
    NARU_REPLICA: replica,
    ...(port === null ? {} : { PORT: `${port}` }),
  }
}

function findEnvProgram(search: Parameters<typeof findProgram>[1]): string {
  try {
    return findProgram('env', { ...search, path: '/usr/bin:/bin' }).inside
  } catch (failed) {
    throw new DeployError(
      'ENGINE_NOT_SUPPORTED',
      'the image sets LD_* or the like, and has no `env` program to set it with',
      {
        hint: 'On this engine such variables are set inside the image: add coreutils or busybox to it, or do without them.',
        cause: failed,
      },
    )
  }
}
