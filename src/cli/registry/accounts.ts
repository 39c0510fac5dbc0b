import type { Command } from 'commander'
import type { Start } from '../describe.ts'
import { examples } from '../help.ts'
import type { RegistryAccounts } from '../host.ts'
import { readPassword } from '../project/ask-password.ts'
import type { Session } from '../session.ts'
import { share } from '../shared-options.ts'
import { columns } from '../show/columns.ts'
import { timeText } from '../show/quantities.ts'
import { expiryOf } from './expiry.ts'

type Kind = 'user' | 'robot'

const RIGHTS =
  '[PATTERN:]ACTION: pull, push, delete or all; team/*:push, team/**:pull (default pattern: every repository)'

const EXPIRES = 'when it ends: 90d, 12h, 2027-01-31, never'
/** A token that somebody saw, and nobody knows of, ends by itself. */
const LIFETIME = '90d'

/** What `naru registry user` and `naru registry robot` have in common. */
function describeBoth(command: Command, kind: Kind, start: Start): void {
  const inner = innerOf(command)
  const allow = inner(
    'allow',
    'other rights in the place of those that it has',
    `Give a ${kind} other rights, from now on: a registry that serves sees it within a second.`,
  )
  allow.argument('<name>').argument('<rights...>', RIGHTS)
  allow.action((name: string, rights: readonly string[]) =>
    start(allow, (session) => setRights(session, kind, name, rights)),
  )
  const rm = inner('rm', 'remove it', `Remove a ${kind}: what was given to it is refused within a second.`)
  rm.argument('<name>')
  rm.action((name: string) => start(rm, (session) => remove(session, kind, name)))
  const list = inner('list', 'names and rights', `Names and rights of ${kind}s; secrets are never shown.`)
  list.action(() => start(list, (session) => listAccounts(session, kind)))
}

/** `naru registry user`: people, who log in with a password. */
export function describeUsers(command: Command, start: Start): void {
  command.summary('people, who log in with a password').description('People, who log in with a password.')
  const inner = innerOf(command)
  const add = inner(
    'add',
    'a new user',
    'Make a user. The password is asked for, or read from stdin, never an argument.',
  )
  add.argument('<name>').requiredOption('--allow <rights...>', RIGHTS)
  add.option('--password-stdin', 'read the password from stdin (asked for on a terminal)')
  add.action((name: string, options: { readonly allow: readonly string[]; readonly passwordStdin?: true }) =>
    start(add, (session) => addUser(session, name, options.allow, options.passwordStdin === true)),
  )
  const password = inner('password', 'another password', 'Give a user another password; the old one ends.')
  password.argument('<name>').option('--password-stdin', 'read the password from stdin (asked for on a terminal)')
  password.action((name: string, { passwordStdin }: { readonly passwordStdin?: true }) =>
    start(password, (session) => setPassword(session, name, passwordStdin === true)),
  )
  describeBoth(command, 'user', start)
  examples(command, [
    ['naru registry user add kim --allow all', 'may do all'],
    ['naru registry user add lee --allow pull team/**:push', 'may pull all and push what is of the team'],
    ['naru registry user allow lee pull', 'may only pull from now on'],
  ])
}

/** `naru registry robot`: programs, which log in with a token that is made here. */
export function describeRobots(command: Command, start: Start): void {
  command
    .summary('programs, which log in with a token')
    .description('Programs, which log in with a token that is made for them.')
  const inner = innerOf(command)
  const add = inner(
    'add',
    'a new robot; prints its token',
    'Make a robot and print its token: it is shown now and never again.',
  )
  add.argument('<name>').requiredOption('--allow <rights...>', RIGHTS)
  add.option('--expires <time>', EXPIRES, LIFETIME)
  add.action((name: string, options: { readonly allow: readonly string[]; readonly expires: string }) =>
    start(add, (session) => addRobot(session, name, options.allow, options.expires)),
  )
  const renew = inner('renew', 'another token; prints it', 'Print another token for a robot; the old one ends now.')
  renew.argument('<name>').option('--expires <time>', EXPIRES, LIFETIME)
  renew.action((name: string, { expires }: { readonly expires: string }) =>
    start(renew, (session) => renewToken(session, name, expires)),
  )
  describeBoth(command, 'robot', start)
  examples(command, [
    ['naru registry robot add ci --allow team/**:push --expires 30d > token', 'for a pipeline'],
    ['docker login -u ci --password-stdin registry.example.com < token', 'there'],
    ['naru registry robot renew ci > token', 'when somebody saw it'],
  ])
}

const innerOf = (command: Command) => (name: string, summary: string, description: string) => {
  const inner = command.command(name).summary(summary).description(description)
  share(inner, ['data', 'output', 'quiet'])
  return inner
}

async function accountsOf({ host, options, output }: Session): Promise<RegistryAccounts> {
  const accounts = await host.registryAccounts(host.dataFolder(options.data))
  if (accounts.isOfServer)
    output.tell(
      'note: the server that works on this folder lets in its own token only; accounts are for: naru registry serve',
    )
  return accounts
}

async function addUser(session: Session, name: string, rights: readonly string[], fromStdin: boolean): Promise<void> {
  const accounts = await accountsOf(session)
  await accounts.addUser(name, await newPassword(session, name, fromStdin, 'add'), rights)
  tell(session, { name }, `user ${name} made`)
}

async function setPassword(session: Session, name: string, fromStdin: boolean): Promise<void> {
  const accounts = await accountsOf(session)
  await accounts.setPassword(name, await newPassword(session, name, fromStdin, 'password'))
  tell(session, { name }, `user ${name} has another password`)
}

function newPassword(session: Session, name: string, fromStdin: boolean, verb: 'add' | 'password'): Promise<string> {
  const hint = `Pipe it: printf %s "$PASSWORD" | naru registry user ${verb === 'add' ? 'add' : 'password'} ${name} --password-stdin`
  return readPassword(session, { fromStdin, twice: true, hint: verb === 'add' ? `${hint} --allow …` : hint })
}

async function addRobot(session: Session, name: string, rights: readonly string[], expires: string) {
  const expiresAtMs = expiryOf(expires, session.clock.now())
  const token = await (await accountsOf(session)).addRobot(name, rights, expiresAtMs)
  tellToken(session, name, token, expiresAtMs)
}

async function renewToken(session: Session, name: string, expires: string): Promise<void> {
  const expiresAtMs = expiryOf(expires, session.clock.now())
  const token = await (await accountsOf(session)).renewToken(name, expiresAtMs)
  tellToken(session, name, token, expiresAtMs)
}

function tellToken({ output }: Session, name: string, token: string, expiresAtMs: number | null): void {
  if (output.json) output.object({ name, token, expiresAtMs })
  else output.data(token)
  const until = expiresAtMs === null ? 'It never ends.' : `It is good until ${timeText(expiresAtMs)}.`
  output.tell(`this is the token of ${name}, to be used as its password. It is shown only now. ${until}`)
}

async function setRights(session: Session, kind: Kind, name: string, rights: readonly string[]): Promise<void> {
  const now = await (await accountsOf(session)).setRights(kind, name, rights)
  tell(session, { name, rights: now }, `${kind} ${name} may: ${now.join(' ')}`)
}

async function remove(session: Session, kind: Kind, name: string): Promise<void> {
  await (await accountsOf(session)).remove(kind, name)
  tell(session, { name }, `${kind} ${name} removed`)
}

async function listAccounts(session: Session, kind: Kind): Promise<void> {
  const { output, clock } = session
  const found = await (await accountsOf(session)).list(kind)
  if (output.json) return output.object({ [`${kind}s`]: found })
  if (found.length === 0)
    return output.tell(`no ${kind}s yet: naru registry ${kind === 'user' ? 'user' : 'robot'} add NAME --allow all`)
  const until = (atMs: number | null) =>
    atMs === null ? '' : `${atMs <= clock.now() ? 'ended' : 'until'} ${timeText(atMs)}`
  const rows = found.map(({ name, rights, expiresAtMs }) => [name, rights.join(' '), until(expiresAtMs)])
  for (const line of columns(['name', 'may', ''], rows)) output.data(line)
}

function tell({ output }: Session, facts: object, line: string): void {
  if (output.json) output.object(facts)
  else output.data(line)
}
