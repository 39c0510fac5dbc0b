import { Option } from 'commander'
import { DeployError } from '../../model/failure.ts'
import { isRegistryHost } from '../../model/reference.ts'
import type { Describe } from '../describe.ts'
import { examples } from '../help.ts'
import { askLine } from '../project/ask.ts'
import { readPassword } from '../project/ask-password.ts'
import type { Session } from '../session.ts'
import { share } from '../shared-options.ts'

interface LoginOptions {
  readonly username?: string
  readonly passwordStdin?: true
  readonly password?: unknown
}

export const describeLogin: Describe = (command, start) => {
  command
    .description(
      'Try a login at a registry and store it where docker keeps logins: its credential helper, or its file.',
    )
    .argument('<registry>', 'host or host:port; docker.io is Docker Hub')
    .option('-u, --username <name>', 'user (asked for on a terminal)')
    .option('--password-stdin', 'read the password or token from stdin (asked for on a terminal)')
    .addOption(new Option('-p, --password [text]').hideHelp())
  share(command, ['output', 'quiet', 'verbose', 'timeout'])
  command.action((registry: string, options: LoginOptions) =>
    start(command, (session) => logIn(session, checkedHost(registry), options)),
  )
  examples(command, [
    ['naru login registry.example.com', 'asks for user and password'],
    ['naru login ghcr.io -u kim --password-stdin < token', 'in CI: nothing secret on the command line'],
    ['naru login docker.io -u kim', 'Docker Hub: a limit of your own'],
  ])
}

export const describeLogout: Describe = (command, start) => {
  command
    .description('Forget the login for a registry on this machine.')
    .argument('<registry>', 'host or host:port; docker.io is Docker Hub')
  share(command, ['output', 'quiet', 'verbose', 'timeout'])
  command.action((registry: string) => start(command, (session) => logOut(session, checkedHost(registry))))
  examples(command, [['naru logout registry.example.com', 'forget it here; at the registry nothing changes']])
}

async function logIn(session: Session, registry: string, options: LoginOptions): Promise<void> {
  const { host, output, signal } = session
  if (options.password !== undefined) {
    throw new DeployError('USAGE_INVALID', 'a password does not belong on a command line: others can read it there', {
      hint: `Change it, then: naru login ${registry} (asks for it), or with --password-stdin.`,
    })
  }
  const username = options.username ?? (await askUser(session))
  if (!/^[^\p{Cc}:]+$/u.test(username)) {
    throw new DeployError('USAGE_INVALID', 'a user name is not empty and has no colon and no control characters', {
      hint: 'Give it with -u NAME.',
    })
  }
  const hint = 'Pipe it: printf %s "$TOKEN" | naru login REGISTRY -u NAME --password-stdin'
  const password = await readPassword(session, { fromStdin: options.passwordStdin === true, twice: false, hint })
  const { place, wasChecked } = await host.logIn(registry, { username, password }, signal)
  if (output.json) return output.object({ registry, username, place, checked: wasChecked })
  output.data(`logged in to ${registry} as ${username}`)
  output.tell(`stored in ${place}`)
  const server = session.options.server ?? session.env.NARU_SERVER ?? ''
  if (server !== '') output.tell(`the server at ${server} has logins of its own: log in on its machine, as its user`)
  if (!wasChecked)
    output.tell(`${registry} lets anybody in and asked for no login: whether it is right shows with the first push`)
}

async function logOut({ host, output, signal }: Session, registry: string): Promise<void> {
  const { wasThere, remains } = await host.logOut(registry, signal)
  if (output.json) return output.object({ registry, wasThere, remains })
  output.data(wasThere ? `logged out of ${registry}` : `there was no login for ${registry} to forget`)
  if (remains !== null) output.tell(`${remains} still has one, which is used: forget it with the tool that stored it`)
}

function checkedHost(text: string): string {
  if (isRegistryHost(text)) return text
  throw new DeployError('USAGE_INVALID', `${JSON.stringify(text.slice(0, 100))} is no registry`, {
    hint: 'Write its host alone, as it stands in front of an image: registry.example.com or registry.example.com:5000.',
  })
}

async function askUser({ stdin, signal }: Session): Promise<string> {
  if (stdin.isTTY === true) return (await askLine('user: ', signal)).trim()
  throw new DeployError('USAGE_INVALID', 'no user was given, and there is no terminal to ask on', {
    hint: 'Give it with -u NAME.',
  })
}
