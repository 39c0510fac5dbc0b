import { InvalidArgumentError, Option } from 'commander'
import { DeployError } from '../../model/failure.ts'
import { isOfThisMachine } from '../connect.ts'
import type { Describe } from '../describe.ts'
import { examples } from '../help.ts'
import type { RefusedLogin } from '../../model/refused-login.ts'
import type { KeepingReport } from '../../model/registry-keeping.ts'
import type { RegistryOptions } from '../host.ts'
import type { Output } from '../output.ts'
import type { Session } from '../session.ts'
import { memoryBytes } from '../numbers.ts'
import { collectedLines, scrubbedLines, sparedLines } from './keeping.ts'
import { share } from '../shared-options.ts'
import { timeOf } from './time-of.ts'

interface Options {
  readonly listen: string
  readonly anonymous?: readonly string[] | true
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly grace: number
  readonly cache?: readonly string[]
  readonly cacheFresh: number
  readonly quota?: number
  readonly repositoryQuota?: number
  readonly gcEvery?: number
  readonly cacheKeep?: number
  readonly scrubEvery?: number
  readonly scrubRate?: number
}

export const describeServe: Describe = (command, start) => {
  command
    .summary('serve the registry alone until it is ended')
    .description(
      'Serve the registry of a data folder alone, without the rest of the server: OCI distribution specification 1.1 under /v2/.',
    )
    .option('--listen <address>', 'HOST:PORT for clients; 0.0.0.0:PORT is every address', '127.0.0.1:5000')
    .option('--anonymous [rights...]', 'what anybody may do without a login, as all or public/**:pull (alone: pull)')
    .option('--tls-cert <path>', 'serve TLS with this certificate and those that vouch for it (PEM)')
    .option('--tls-key <path>', 'its key (PEM)')
    .option('--grace <seconds>', 'how long requests in progress may go on when it is ended', secondsOf, 30)
  command
    .option('--quota <bytes>', 'the most that the registry may have on the disk: 500Gi', memoryBytes)
    .option('--repository-quota <bytes>', 'the most that each repository may have: 20Gi', memoryBytes)
    .option('--cache <registries...>', 'be a pull-through cache of docker.io, or below a prefix only: hub/=docker.io')
    .addOption(
      new Option('--cache-fresh <time>', 'a tag of a cached registry is asked for again after this time')
        .argParser(timeOf)
        .default(60_000, '1m'),
    )
    .option('--cache-keep <time>', 'with --gc-every: copies go that nobody asked for in this time: 30d', timeOf)
    .option('--gc-every <time>', 'free what no tag leads to after each such time, and when room is short: 24h', everyOf)
    .option('--scrub-every <time>', 'read everything after each such time, and set damage aside: 30d', everyOf)
    .option('--scrub-rate <bytes>', 'read at most so much in a second for that: 20Mi', memoryBytes)
  share(command, ['data', 'output', 'quiet'])
  command.action((options: Options) => start(command, (session) => serve(session, options)))
  examples(command, [
    ['naru registry serve --anonymous all', 'for this machine: docker push 127.0.0.1:5000/shop:1'],
    ['naru registry serve --listen 0.0.0.0:443 --tls-cert FILE --tls-key FILE', 'for other machines'],
    ['naru registry serve --anonymous', 'anybody may pull, who logs in may push'],
    ['naru registry serve --anonymous --cache hub/=docker.io', 'docker pull 127.0.0.1:5000/hub/library/node:24'],
  ])
}

/** Serves until SIGINT or SIGTERM; requests in progress end then. */
async function serve(session: Session, options: Options): Promise<void> {
  const { host, output, interrupts } = session
  const folder = host.dataFolder(session.options.data)
  const anonymous = options.anonymous === true ? ['pull'] : (options.anonymous ?? [])
  const ended = new Promise<void>((resolve) => interrupts.answerBy(() => resolve()))
  const opened = await host.serveRegistry({
    folder,
    listen: options.listen,
    cache: (options.cache ?? []).map(cachedOf),
    cacheFreshMs: options.cacheFresh,
    quota: { repository: options.repositoryQuota ?? null, whole: options.quota ?? null },
    housekeeping: housekeepingOf(output, options),
    anonymous,
    refusedLogin: (login) => (output.json ? output.object(login) : output.tell(refusedLine(login))),
    tls: tlsOf(options),
  })
  const { url, socket } = opened
  if (output.json) output.object({ kind: 'serving', folder, url, socket, anonymous })
  else {
    output.data(`serving the registry of ${folder} on ${url}`)
    for (const line of await accessLines(session, folder, anonymous)) output.tell(line)
  }
  if (!url.startsWith('https:') && !isOfThisMachine(new URL(url)))
    output.tell(
      'note: this is plain HTTP, which docker refuses from other machines: --tls-cert and --tls-key, or a TLS proxy',
    )
  await ended
  output.tell(`ending: requests in progress have ${options.grace} s`)
  await opened.close(options.grace * 1000)
}

/** What it does by itself. Throws USAGE_INVALID. */
function housekeepingOf(output: Output, options: Options): RegistryOptions['housekeeping'] {
  const { gcEvery = null, cacheKeep = null, scrubEvery = null, scrubRate = null } = options
  const lone = cacheKeep !== null && gcEvery === null ? ['cache-keep', 'gc-every 24h'] : null
  const wrong = scrubRate !== null && scrubEvery === null ? ['scrub-rate', 'scrub-every 30d'] : lone
  if (wrong !== null)
    throw new DeployError('USAGE_INVALID', `--${wrong[0]} was given alone`, { hint: `Add --${wrong[1]}.` })
  const tell = (report: KeepingReport) => (output.json ? output.object(report) : tellKeeping(output, report))
  return {
    collectEveryMs: gcEvery,
    copiesUnusedMs: cacheKeep,
    scrubEveryMs: scrubEvery,
    bytesPerSecond: scrubRate,
    tell,
  }
}

function tellKeeping(output: Output, report: KeepingReport): void {
  if (report.kind === 'failed') output.insist(`${report.code}: ${report.message}`)
  if (report.kind === 'collected')
    for (const line of [...collectedLines(report), ...sparedLines(report)]) output.tell(`gc: ${line}`)
  if (report.kind === 'scrubbed') for (const line of scrubbedLines(report)) output.tell(`scrub: ${line}`)
}

function refusedLine({ name, address, why, more }: RefusedLogin): string {
  const others = more === 0 ? '' : ` (and ${more} more from there since the last one told)`
  return `login refused: ${name ?? 'somebody'} from ${address}: ${why}${others}`
}

/** Who can do something there; where nobody can, how that is changed. */
async function accessLines(
  { host }: Session,
  folder: string,
  anonymous: readonly string[],
): Promise<readonly string[]> {
  const accounts = await host.registryAccounts(folder)
  const count = async (kind: 'user' | 'robot') => (await accounts.list(kind)).length
  const [users, robots] = [await count('user'), await count('robot')]
  const anybody = anonymous.length === 0 ? [] : [`anybody may: ${anonymous.join(' ')}`]
  const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`
  if (users + robots > 0) return [...anybody, `${counted(users, 'user')} and ${counted(robots, 'robot')} may log in`]
  return [...anybody, 'nobody can log in yet: naru registry user add NAME --allow all']
}

/** `docker.io`, or `hub/=docker.io`. */
function cachedOf(text: string): RegistryOptions['cache'][number] {
  const [, prefix = '', registry = ''] = /^(?:([a-z0-9][a-z0-9._/-]*\/)=)?([A-Za-z0-9.:[\]-]+)$/.exec(text) ?? []
  if (registry !== '') return { prefix, registry }
  throw new DeployError('USAGE_INVALID', `--cache ${JSON.stringify(text)} names no registry`, {
    hint: 'Write a registry, docker.io, or in front of it what the names of its copies begin with, with a slash at its end: hub/=docker.io.',
  })
}

function tlsOf({ tlsCert: cert, tlsKey: key }: Options): RegistryOptions['tls'] {
  if (cert !== undefined && key !== undefined) return { cert, key }
  if (cert === undefined && key === undefined) return null
  throw new DeployError('USAGE_INVALID', `--tls-${cert === undefined ? 'key' : 'cert'} was given alone`, {
    hint: 'Give both: --tls-cert FILE --tls-key FILE.',
  })
}

const SHORTEST_EVERY_MS = 60_000

function everyOf(text: string): number {
  const ms = timeOf(text)
  if (ms >= SHORTEST_EVERY_MS) return ms
  throw new InvalidArgumentError('Write 1m or more.')
}

function secondsOf(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= 0 && value <= 86_400) return value
  throw new InvalidArgumentError('Write a number of seconds.')
}
