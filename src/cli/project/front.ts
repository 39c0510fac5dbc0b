import { readFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { chooseEnvironment } from '../../appfile/choose-environment.ts'
import { environmentNames, mergeEnvironment } from '../../appfile/merge-environment.ts'
import { type PlacedAppFile, readAppFile } from '../../appfile/read-app-file.ts'
import { envFilesOf } from '../../appfile/resolve-app.ts'
import { variableNames } from '../../appfile/tree/interpolate.ts'
import { textsAt } from '../../appfile/tree/texts.ts'
import { DeployError } from '../../model/failure.ts'
import type { Session } from '../session.ts'
import { askOneOf } from './ask.ts'

/** naru.yaml in front of the user, or the folder that stands for one. */
export interface Front {
  /** Folder that naru.yaml stands in, or would. */
  readonly folder: string
  /** null: there is no naru.yaml. */
  readonly file: { readonly text: string; readonly name: string; readonly placed: PlacedAppFile } | null
  readonly environment: string
  /** The caller's environment with the variables of `envFile` below it. */
  readonly variables: Readonly<Record<string, string | undefined>>
}

export const APP_FILE = 'naru.yaml'

/** Reads it, chooses the environment (asks for it on a terminal), and reads what `envFile` names. Throws APPFILE_*, ENVIRONMENT_*. */
export async function readFront(session: Session): Promise<Front> {
  const path = resolve(session.folder, session.options.file ?? APP_FILE)
  const folder = dirname(path)
  const text = await readText(path, session.options.file !== null)
  const { env } = session
  if (text === null) {
    const environment = chooseEnvironment(['local'], session.options.environment ?? undefined, env)
    return { folder, file: null, environment, variables: env }
  }
  const name = basename(path)
  const placed = readAppFile(text, name)
  const environment = await whichEnvironment(session, environmentNames(placed.root))
  const files = await Promise.all(envFilesOf(placed, environment).map((file) => readEnvFile(folder, file)))
  return { folder, file: { text, name, placed }, environment, variables: Object.assign({}, ...files, env) }
}

/** Names of the variables that a file mentions in an environment, those that `build.run` may see, and the secrets of the build. */
export function namesIn(placed: PlacedAppFile, environment: string): readonly string[] {
  const { root } = mergeEnvironment(placed.root, environment)
  return [
    ...new Set([...variableNames(root), ...textsAt(root, ['build', 'runEnv']), ...textsAt(root, ['build', 'secrets'])]),
  ]
}

async function whichEnvironment(session: Session, names: readonly string[]): Promise<string> {
  try {
    return chooseEnvironment(names, session.options.environment ?? undefined, session.env)
  } catch (failed) {
    const mayAsk = failed instanceof DeployError && failed.code === 'ENVIRONMENT_REQUIRED' && session.output.isLive
    if (mayAsk && session.stdin.isTTY === true) return askOneOf('environment', names, session.signal)
    throw failed
  }
}

async function readText(path: string, mustBe: boolean): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (failed) {
    const { code } = failed as NodeJS.ErrnoException
    if (code === 'ENOENT' && !mustBe) return null
    throw new DeployError('APPFILE_NOT_FOUND', `${path} cannot be read: ${code}`, {
      hint: 'Check the path behind --file, or write a file with: naru init.',
      detail: { path },
      cause: failed,
    })
  }
}

async function readEnvFile(folder: string, file: string): Promise<NodeJS.Dict<string>> {
  try {
    return parseEnv(await readFile(join(folder, file), 'utf8'))
  } catch (failed) {
    throw new DeployError(
      'APPFILE_INVALID',
      `envFile: ${file} cannot be read: ${(failed as NodeJS.ErrnoException).code}`,
      {
        hint: `Write the file ${join(folder, file)}, or take it out of envFile.`,
        cause: failed,
      },
    )
  }
}
