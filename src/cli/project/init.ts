import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Option } from 'commander'
import { appNameOf } from '../../appfile/default-app.ts'
import { DeployError } from '../../model/failure.ts'
import type { Describe } from '../describe.ts'
import type { Session } from '../session.ts'
import { share } from '../shared-options.ts'
import { type KindName, KINDS } from '../kinds/kind.ts'
import { lookAround } from './look-around.ts'
import { type Found, type NewFiles, newFiles } from './new-files.ts'

export const describeInit: Describe = (command, start) => {
  command
    .option('--force', 'overwrite naru.yaml')
    .addOption(new Option('--kind <name>', 'what the project is, where it looks like several').choices(KINDS))
  share(command, ['app', 'output', 'quiet'])
  command.action((options: InitOptions) => start(command, (session) => init(session, options)))
}

interface InitOptions {
  readonly force?: boolean
  readonly kind?: KindName
}

/** Writes naru.yaml, and a Dockerfile with its .dockerignore where there is none. Only naru.yaml is overwritten, by --force. */
async function init(session: Session, { force = false, kind }: InitOptions): Promise<void> {
  const { folder, output } = session
  const found = await find(session, kind ?? null)
  const made = newFiles(found)
  if (!force && existsSync(join(folder, 'naru.yaml'))) throw thereAlready('naru.yaml')
  if (kind !== undefined && !made.files.some(({ name }) => name === 'Dockerfile')) throw notOfKind(kind, found, made)
  for (const { name, text } of made.files) await write(join(folder, name), text, force && name === 'naru.yaml')
  const names = made.files.map(({ name }) => name)
  if (output.json) return output.object({ files: names, notes: made.notes, next: made.next })
  for (const { name, what } of made.files) output.data(`wrote ${name.padEnd(12)} ${what}`)
  for (const note of made.notes) output.tell(`note: ${note}`)
  made.next.forEach((line, at) => {
    output.tell(`${at === 0 ? 'next: ' : '      '}${line}`)
  })
}

async function find({ folder, options }: Session, kind: KindName | null): Promise<Found> {
  const names = ['Dockerfile', 'Containerfile']
  const name = names.find((one) => existsSync(join(folder, one)))
  return {
    app: options.app ?? appNameOf(basename(folder)),
    dockerfile: name === undefined ? null : { name, text: await readFile(join(folder, name), 'utf8').catch(() => '') },
    project: await lookAround(folder),
    kind,
  }
}

async function write(path: string, text: string, force: boolean): Promise<void> {
  try {
    await writeFile(path, text, { flag: force ? 'w' : 'wx' })
  } catch (failed) {
    if ((failed as NodeJS.ErrnoException).code === 'EEXIST') throw thereAlready(basename(path))
    throw new DeployError('USAGE_INVALID', `${path} cannot be written: ${(failed as NodeJS.ErrnoException).code}`, {
      hint: 'Run naru init in a folder that you may write.',
      cause: failed,
    })
  }
}

const thereAlready = (name: string) =>
  new DeployError('USAGE_INVALID', `${name} is there already`, {
    hint: 'Nothing was written. Change it by hand (naru config shows what it means), or overwrite it with: naru init --force',
  })

function notOfKind(kind: KindName, { dockerfile }: Found, { notes }: NewFiles): DeployError {
  const why = dockerfile === null ? (notes.at(-1) ?? 'nothing here says so') : `${dockerfile.name} is there already`
  return new DeployError('USAGE_INVALID', `no Dockerfile can be written for --kind ${kind}: ${why}`, {
    hint:
      dockerfile === null
        ? 'Nothing was written. Leave --kind away to see what the folder looks like, or write the Dockerfile by hand.'
        : `Nothing was written. Remove ${dockerfile.name} first: it is never overwritten.`,
  })
}
