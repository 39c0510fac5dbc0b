import type { Describe } from '../describe.ts'
import type { Session } from '../session.ts'
import { share } from '../shared-options.ts'
import { readFile } from 'node:fs/promises'
import { DeployError } from '../../model/failure.ts'

interface Options {
  readonly listen?: string
  readonly tokenFile?: string
}

export const describeServer: Describe = (command, start) => {
  command
    .option(
      '--listen <address>',
      'HOST:PORT for clients elsewhere, who need the token (default: only the local socket)',
    )
    .option('--token-file <path>', 'file with the token (default: one is made in the data folder)')
  share(command, ['data', 'output', 'quiet'])
  command.action((options: Options) => start(command, (session) => serve(session, options)))
}

/** Serves until SIGINT or SIGTERM. Rollouts that are under way go on with the next server. */
async function serve(session: Session, { listen, tokenFile }: Options): Promise<void> {
  const { host, output, options, interrupts } = session
  const folder = host.dataFolder(options.data)
  const token = tokenFile === undefined ? null : await readToken(tokenFile)
  const ended = new Promise<void>((resolve) => interrupts.answerBy(() => resolve()))
  const server = await host.openServer({ folder, listen: listen ?? null, token })
  if (output.json) output.object({ kind: 'serving', folder, socket: server.socket, url: server.url })
  else {
    output.data(`serving ${folder} on ${server.socket}`)
    if (server.url !== null) output.data(`serving on ${server.url}`)
  }
  await ended
  output.tell('ending; replicas and router go on')
  await server.close()
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
