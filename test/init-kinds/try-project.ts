import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { writeTree } from '../../src/build/testing.ts'
import type { ImageConfig, ImageManifest } from '../../src/model/descriptor.ts'
import { freePort } from '../e2e/harness/free-ports.ts'
import { CliStage, type Ran } from '../integration/cli-stage.ts'
import { layBases } from './bases.ts'
import type { Project } from './projects.ts'

const exec = promisify(execFile)

/** What came of a project that was written, initialised, committed and deployed as a person would. */
export interface Tried {
  readonly dockerfile: string
  readonly body: string
  readonly settings: ImageConfig['config']
  readonly left: readonly string[]
}

/** naru init, git commit, naru deploy, a request. Throws with what naru said where a command fails. */
export async function tryProject({ name, bases, files }: Project): Promise<Tried> {
  const stage = CliStage.open()
  let tried: Omit<Tried, 'left'>
  try {
    const cwd = join(stage.folder, name)
    await layBases(stage.data, bases)
    await writeTree(cwd, files)
    await ended(stage.naru(['init'], { cwd }))
    const port = await publish(cwd)
    await commit(cwd)
    const layout = join(stage.folder, 'layout')
    await ended(stage.naru(['deploy'], { cwd }))
    await ended(stage.naru(['build', '-o', `oci:${layout}`], { cwd }))
    const answer = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(20_000) })
    tried = {
      dockerfile: await readFile(join(cwd, 'Dockerfile'), 'utf8'),
      body: await answer.text(),
      settings: await settingsOf(layout),
    }
  } catch (failed) {
    await stage.close()
    throw failed
  }
  return { ...tried, left: await stage.close() }
}

/** What naru.yaml has as a comment, on a free port. */
async function publish(folder: string): Promise<number> {
  const port = await freePort()
  const path = join(folder, 'naru.yaml')
  const text = await readFile(path, 'utf8')
  const routes = `routes: [{ role: web, listen: "127.0.0.1:${port}" }]\nrollout: { progressDeadlineSeconds: 240 }`
  await writeFile(path, `${text}${routes}\n`)
  return port
}

async function commit(cwd: string): Promise<void> {
  const git = (...args: readonly string[]) =>
    exec('git', ['-c', 'user.name=kim', '-c', 'user.email=kim@example.com', ...args], { cwd })
  await git('init', '-q', '-b', 'main')
  await git('add', '.')
  await git('commit', '-q', '-m', 'Deploy with Naru')
}

async function ended(running: Promise<Ran>): Promise<void> {
  const { code, stdout, stderr } = await running
  if (code !== 0) throw new Error(`exit code ${code}\n${stdout}\n${stderr}`)
}

async function settingsOf(layout: string): Promise<ImageConfig['config']> {
  const read = async (digest: string): Promise<unknown> =>
    JSON.parse(await readFile(join(layout, 'blobs', digest.replace(':', '/')), 'utf8'))
  const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')) as { manifests: { digest: string }[] }
  const manifest = (await read(index.manifests[0]?.digest ?? '')) as ImageManifest
  return ((await read(manifest.config.digest)) as ImageConfig).config
}
