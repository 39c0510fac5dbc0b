import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { appNameOf } from '../../appfile/default-app.ts'
import { DeployError } from '../../model/failure.ts'
import type { Describe } from '../describe.ts'
import type { Session } from '../session.ts'
import { share } from '../shared-options.ts'
import { type Found, newFiles } from './new-files.ts'

export const describeInit: Describe = (command, start) => {
  command.option('--force', 'overwrite what is there')
  share(command, ['app', 'output', 'quiet'])
  command.action(({ force }: { readonly force?: true }) => start(command, (session) => init(session, force === true)))
}

/** Writes naru.yaml, and for a Node project without a Dockerfile that as well. Nothing is overwritten without --force. */
async function init(session: Session, force: boolean): Promise<void> {
  const { folder, output } = session
  const made = newFiles(await lookAround(session))
  if (!force && existsSync(join(folder, 'naru.yaml'))) throw thereAlready('naru.yaml')
  for (const { name, text } of made.files) await write(join(folder, name), text, force)
  if (output.json) return output.object({ files: made.files.map(({ name }) => name), next: made.next })
  for (const { name, what } of made.files) output.data(`wrote ${name.padEnd(12)} ${what}`)
  made.next.forEach((line, at) => {
    output.tell(`${at === 0 ? 'next: ' : '      '}${line}`)
  })
}

async function lookAround({ folder, options }: Session): Promise<Found> {
  const read = (name: string) => readFile(join(folder, name), 'utf8').catch(() => null)
  const dockerfile = (await read('Dockerfile')) ?? (await read('Containerfile'))
  const manifest = await read('package.json')
  return {
    app: options.app ?? appNameOf(basename(folder)),
    dockerfile:
      dockerfile === null
        ? null
        : { name: existsSync(join(folder, 'Dockerfile')) ? 'Dockerfile' : 'Containerfile', text: dockerfile },
    manifest: manifest === null ? null : asObject(manifest),
    hasLockfile: existsSync(join(folder, 'package-lock.json')),
    mains: ['server.mjs', 'server.js', 'index.mjs', 'index.js', 'app.js'].filter((name) =>
      existsSync(join(folder, name)),
    ),
    nodeMajor: process.versions.node.split('.')[0] ?? '',
  }
}

function asObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const read: unknown = JSON.parse(text)
    return typeof read === 'object' && read !== null ? (read as Readonly<Record<string, unknown>>) : null
  } catch {
    return null
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
