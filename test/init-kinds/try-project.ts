import { execFile } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { writeTree } from '../../src/build/testing.ts'
import type { ImageConfig, ImageManifest } from '../../src/model/descriptor.ts'
import type { Receipt } from '../../src/model/receipt.ts'
import { systemClock } from '../../src/os/system-clock.ts'
import { freePort } from '../e2e/harness/free-ports.ts'
import { type CliStage, jsonLines, type Ran } from '../integration/cli-stage.ts'
import { call } from '../peers/call.ts'
import { HELLO, type Project } from './project.ts'

const exec = promisify(execFile)

/** What came of a project that was written, initialised, committed, deployed, changed, broken and stopped as a person would. */
export interface Tried {
  /** naru.yaml as init wrote it. */
  readonly appFile: string
  readonly settings: ImageConfig['config']
  /** Ready by what init wrote. */
  readonly first: Rolled
  /** A changed line, ready by the HEALTHCHECK of the image. */
  readonly second: Rolled
  /** Answers 500: the HEALTHCHECK has to notice. null: it was not tried. */
  readonly broken: Rolled | null
  /** How the replicas ended when they were told to, by their names. */
  readonly exits: Readonly<Record<string, string>>
}

interface Rolled {
  readonly code: number | null
  readonly tookMs: number
  readonly receipt: Receipt | null
  /** The end of what it wrote, where it failed. */
  readonly said: string
  /** What the address answers afterwards. */
  readonly body: string
  readonly wanted: string
}

/** The words of the second revision. */
const change = (text: string): string => text.replaceAll('hello from', 'hello again from')

/** Throws with what a command said where it failed and must not. */
export async function tryProject(stage: CliStage, project: Project): Promise<Tried> {
  const cwd = join(stage.folder, project.name)
  const wanted = project.says ?? HELLO
  await writeTree(cwd, project.files)
  await prepare(cwd, project)
  await git(cwd, 'init', '-q', '-b', 'main')
  await ended(stage.naru(['init'], { cwd }))
  const appFile = await readFile(join(cwd, 'naru.yaml'), 'utf8')
  const port = await freePort()
  const write = async (lines: readonly string[], keeps: (line: string) => boolean = () => true) => {
    const kept = appFile.split('\n').filter(keeps)
    await writeFile(
      join(cwd, 'naru.yaml'),
      [...kept, `routes: [{ role: web, listen: "127.0.0.1:${port}" }]`, ...lines, ''].join('\n'),
    )
  }
  const deploy = async (body: string): Promise<Rolled> => {
    await commit(cwd)
    const from = systemClock.now()
    const ran = await stage.naru(['deploy', '-o', 'json'], { cwd })
    const tookMs = systemClock.now() - from
    return {
      code: ran.code,
      tookMs,
      receipt: receiptOf(ran),
      said: lastWords(ran),
      body: await answer(port),
      wanted: body,
    }
  }

  await write([])
  const first = await deploy(wanted)
  if (first.code !== 0) throw new Error(`the first deploy ended with ${first.code}\n${first.said}`)
  const settings = await settingsOf(stage, cwd)
  for (const [name, text] of Object.entries(project.files)) await writeFile(join(cwd, name), change(text))
  const withoutHealth = (line: string) => !line.startsWith('health:')
  await write([], withoutHealth)
  const second = await deploy(change(wanted))
  let broken: Rolled | null = null
  if (project.neverBroken !== true) {
    await write(['env: { BROKEN: "1" }', 'health: { startup: 10 }'], withoutHealth)
    broken = await deploy(change(wanted))
  }
  const stopped = await ended(stage.naru(['stop', '-o', 'json'], { cwd }))
  await rm(cwd, { recursive: true })
  return { appFile, settings, first, second, broken, exits: exitsOf(stopped) }
}

async function prepare(cwd: string, { prepare: commands = [] }: Project): Promise<void> {
  for (const [program, ...args] of commands) await call(program, args, { cwd, timeoutMs: 240_000 })
  await rm(join(cwd, 'node_modules'), { recursive: true, force: true })
}

const git = (cwd: string, ...args: readonly string[]) =>
  exec('git', ['-c', 'user.name=kim', '-c', 'user.email=kim@example.com', ...args], { cwd })

async function commit(cwd: string): Promise<void> {
  await git(cwd, 'add', '.')
  await git(cwd, 'commit', '-q', '-m', 'Deploy with Naru')
}

async function answer(port: number): Promise<string> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(20_000) })
    return `${response.ok ? '' : `${response.status} `}${await response.text()}`.trim()
  } catch (failed) {
    return `nothing: ${String(failed)}`
  }
}

async function ended(running: Promise<Ran>): Promise<Ran> {
  const ran = await running
  if (ran.code !== 0) throw new Error(`exit code ${ran.code}\n${ran.stdout}\n${ran.stderr}`)
  return ran
}

function receiptOf({ stdout }: Ran): Receipt | null {
  const end = jsonLines(stdout).find(({ kind }) => kind === 'end')
  return (end?.receipt as Receipt | undefined) ?? null
}

function lastWords({ code, stdout, stderr }: Ran): string {
  if (code === 0) return ''
  const lines = jsonLines(stdout).filter(({ kind }) => kind === 'log' || kind === 'end')
  return [
    ...lines.slice(-12).map(({ line, receipt }) => line ?? JSON.stringify((receipt as Receipt | undefined)?.failure)),
    stderr.slice(-2000),
  ].join('\n')
}

function exitsOf({ stdout }: Ran): Readonly<Record<string, string>> {
  const changes = jsonLines(stdout).filter(({ kind }) => kind === 'replica')
  return Object.fromEntries(changes.map((event) => [String(event.replica), String(event.change)]))
}

async function settingsOf(stage: CliStage, cwd: string): Promise<ImageConfig['config']> {
  const layout = join(stage.folder, 'layout')
  await ended(stage.naru(['build', '-o', `oci:${layout}`], { cwd }))
  const read = async (digest: string): Promise<unknown> =>
    JSON.parse(await readFile(join(layout, 'blobs', digest.replace(':', '/')), 'utf8'))
  const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')) as { manifests: { digest: string }[] }
  const manifest = (await read(index.manifests[0]?.digest ?? '')) as ImageManifest
  const { config } = (await read(manifest.config.digest)) as ImageConfig
  await rm(layout, { recursive: true })
  return config
}
