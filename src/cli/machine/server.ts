import { readFile } from 'node:fs/promises'
import { Option } from 'commander'
import { DeployError } from '../../model/failure.ts'
import { isOfThisMachine } from '../connect.ts'
import type { Describe } from '../describe.ts'
import { examples } from '../help.ts'
import type { Session } from '../session.ts'
import { share } from '../shared-options.ts'
import { endServer } from './end-server.ts'

interface Options {
  readonly listen?: string
  readonly tokenFile?: string
  readonly end?: true
  readonly endAll?: true
  readonly onDemand?: boolean
}

export const describeServer: Describe = (command, start) => {
  command
    .option(
      '--listen <address>',
      'HOST:PORT for clients elsewhere, who need the token; plain HTTP, so on loopback, in a VPN or behind a TLS proxy (default: only the local socket)',
    )
    .option('--token-file <path>', 'file with the token (default: one is made in the data folder)')
    .addOption(new Option('--on-demand').hideHelp())
    .option('--end', 'end the server that runs; replicas and router go on')
    .option('--end-all', 'end the server, replicas, router and keeper; what is remembered stays')
  share(command, ['data', 'output', 'quiet'])
  examples(command, [
    ['naru server', 'on the local socket, which only this user can open'],
    ['naru server --listen 127.0.0.1:7070', 'for clients on TCP; /v2/ is the registry'],
    ['NARU_SERVER=http://127.0.0.1:7070 NARU_TOKEN=… naru deploy', 'such a client; the token is in the data folder'],
    ['naru server --end', 'before an upgrade: traffic flows on'],
  ])
  command.action((options: Options) => start(command, (session) => server(session, options)))
}

async function server(session: Session, options: Options): Promise<void> {
  const folder = session.host.dataFolder(session.options.data)
  if (options.end === true || options.endAll === true) return endServer(session, folder, options.endAll === true)
  return serve(session, folder, options)
}

/** Serves until SIGINT or SIGTERM. Rollouts that are under way go on with the next server. */
async function serve(
  session: Session,
  folder: string,
  { listen, tokenFile, onDemand = false }: Options,
): Promise<void> {
  const { host, output, interrupts } = session
  const token = tokenFile === undefined ? null : await readToken(tokenFile)
  const ended = new Promise<void>((resolve) => interrupts.answerBy(() => resolve()))
  const opened = await host.openServer({ folder, listen: listen ?? null, token, onDemand })
  if (output.json) output.object({ kind: 'serving', folder, socket: opened.socket, url: opened.url })
  else {
    output.data(`serving ${folder} on ${opened.socket}`)
    if (opened.url !== null)
      output.data(`serving on ${opened.url}${token === null ? `, token in ${folder}/token` : ''}`)
  }
  if (opened.url !== null && !isOfThisMachine(new URL(opened.url))) {
    output.tell('note: this is plain HTTP: let clients reach it by a TLS proxy, a tunnel or a VPN only')
  }
  await ended
  output.tell('ending; replicas and router go on')
  await opened.close()
}

async function readToken(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((failed: NodeJS.ErrnoException) => {
    throw new DeployError('USAGE_INVALID', `--token-file ${path} cannot be read: ${failed.code}`, {
      hint: 'Write the token into a file that only the server can read.',
      cause: failed,
    })
  })
  const token = text.trim()
  if (token.length >= 16) return token
  throw new DeployError('USAGE_INVALID', `the token in ${path} is shorter than 16 characters`, {
    hint: 'Make one with: openssl rand -base64 24.',
  })
}
