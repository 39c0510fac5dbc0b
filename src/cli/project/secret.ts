import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import type { SecretsBody } from '../../api/responses.ts'
import { DeployError } from '../../model/failure.ts'
import { isVariableName } from '../../model/names.ts'
import { withServer } from '../connect.ts'
import type { Describe } from '../describe.ts'
import { examples } from '../help.ts'
import type { Session } from '../session.ts'
import { OF_APP, share } from '../shared-options.ts'
import { columns } from '../show/columns.ts'
import { printable } from '../show/printable.ts'
import { timeText } from '../show/quantities.ts'
import { callerName } from './app-request.ts'
import { askHidden } from './ask.ts'
import { scopeInFront, scopePath } from './scope.ts'

export const describeSecret: Describe = (command, start) => {
  const set = command
    .command('set')
    .summary('a new version of a secret')
    .description('Set a secret: its value is asked for, or read from stdin or a file, never given as an argument.')
    .argument('<name>', 'NAME, or NAME=- to read stdin')
    .option('--from-file <path>', 'read the value from a file')
  share(set, OF_APP)
  set.action((name: string, { fromFile }: { readonly fromFile?: string }) =>
    start(set, (session) => setSecret(session, name, fromFile ?? null)),
  )
  const list = command
    .command('list')
    .summary('names and versions')
    .description('Names and versions; values are never shown.')
  share(list, OF_APP)
  list.action(() => start(list, listSecrets))
  const unset = command
    .command('unset')
    .summary('forget a secret')
    .description('Forget a secret. Releases that use it keep the version that they have.')
    .argument('<name>')
  share(unset, OF_APP)
  unset.action((name: string) => start(unset, (session) => unsetSecret(session, name)))
  examples(command, [
    ['naru secret set DB_PASSWORD', 'asks for the value, which is not shown'],
    ['naru secret set DB_PASSWORD=- < password.txt', 'reads it from stdin'],
    ['naru secret set TLS_KEY --from-file key.pem', 'reads it from a file'],
  ])
}

async function setSecret(session: Session, asked: string, fromFile: string | null): Promise<void> {
  const { output, signal } = session
  const name = checkedName(asked.endsWith('=-') ? asked.slice(0, -2) : asked)
  const path = scopePath(await scopeInFront(session))
  const value = await readValue(session, name, { fromFile, fromStdin: asked.endsWith('=-') })
  const by = await callerName(session, session.folder)
  await withServer(session, 'looks', async ({ client }) => {
    const set = await client.put<{ version: number }>(`${path}/secrets/${name}`, { value, by }, signal)
    if (output.json) return output.object({ name, ...set })
    output.data(`${name} has version ${set.version}`)
    output.tell('Replicas get it with the next deploy: naru deploy')
  })
}

async function listSecrets(session: Session): Promise<void> {
  const { output, signal } = session
  const path = scopePath(await scopeInFront(session))
  await withServer(session, 'looks', async ({ client }) => {
    const body = await client.get<SecretsBody>(`${path}/secrets`, signal)
    if (output.json) return output.object(body)
    if (body.secrets.length === 0) return output.tell('no secrets yet: set one with naru secret set NAME')
    const rows = printable(body.secrets).map(({ name, version, setAtMs, setBy }) => [
      name,
      String(version),
      timeText(setAtMs),
      setBy,
    ])
    for (const line of columns(['name', 'version', 'set', 'by'], rows)) output.data(line)
  })
}

async function unsetSecret(session: Session, asked: string): Promise<void> {
  const name = checkedName(asked)
  const path = scopePath(await scopeInFront(session))
  await withServer(session, 'looks', ({ client }) => client.delete(`${path}/secrets/${name}`, session.signal))
  if (session.output.json) session.output.object({ name })
  else session.output.data(`${name} is unset`)
}

function checkedName(name: string): string {
  if (isVariableName(name)) return name
  const at = name.indexOf('=')
  if (at > 0 && isVariableName(name.slice(0, at))) {
    throw new DeployError('USAGE_INVALID', 'a secret does not belong on a command line: others can read it there', {
      hint: `Change the value, then: naru secret set ${name.slice(0, at)} (asks for it), or ${name.slice(0, at)}=- to read stdin.`,
    })
  }
  throw new DeployError('NAME_INVALID', `${JSON.stringify(name.slice(0, 80))} is no name for a secret`, {
    hint: 'Use letters, digits and underscores, not a digit first: DB_PASSWORD.',
  })
}

async function readValue(
  { folder, stdin, signal }: Session,
  name: string,
  from: { readonly fromFile: string | null; readonly fromStdin: boolean },
): Promise<string> {
  const value =
    from.fromFile !== null
      ? await readSecretFile(resolve(folder, from.fromFile))
      : stdin.isTTY === true && !from.fromStdin
        ? await askHidden(`${name}: `, signal)
        : (await readAll(stdin)).replace(/\r?\n$/, '')
  if (value !== '') return value
  throw new DeployError('USAGE_INVALID', `the value of ${name} is empty`, {
    hint: `Type it when asked, or pipe it: printf %s "$VALUE" | naru secret set ${name}=-`,
  })
}

const readSecretFile = (path: string): Promise<string> =>
  readFile(path, 'utf8').catch((failed: NodeJS.ErrnoException) => {
    throw new DeployError('USAGE_INVALID', `--from-file ${path} cannot be read: ${failed.code}`, {
      hint: 'Check the path and its permissions.',
      cause: failed,
    })
  })
