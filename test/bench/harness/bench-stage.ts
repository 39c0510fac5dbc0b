import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { closeSync, cpSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { OperationBody } from '../../../src/api/responses.ts'
import { backoff } from '../../../src/lib/backoff.ts'
import { endFolder } from '../../../src/main/end-folder.ts'
import { runningServer } from '../../../src/main/running-server.ts'
import type { Event } from '../../../src/model/event.ts'
import { systemClock } from '../../../src/os/system-clock.ts'
import { freePort } from '../../e2e/harness/free-ports.ts'
import { leftovers } from '../../e2e/harness/leftovers.ts'
import { preparedBase } from '../../e2e/harness/prepared-base.ts'
import { LocalApi } from './local-api.ts'

const exec = promisify(execFile)
const ROOT = join(import.meta.dirname, '../../..')
const START_MS = 30_000
const END_MS = 20_000

export const NARU = join(ROOT, 'bin/naru')
export type RouterName = 'userland' | 'nftables'
/** Makes version n of an application in its repository. */
type Edit = (repository: string, version: number) => void

/** A server process of its own (`naru server`) on a new data folder with a base image: what a measurement is made on. */
export class BenchStage {
  readonly folder: string
  readonly api: LocalApi
  /** Of everything that is started here: the server, and commands beside it. */
  readonly env: NodeJS.ProcessEnv
  readonly #parent: string
  readonly #server: ChildProcess

  private constructor(parent: string, server: ChildProcess, env: NodeJS.ProcessEnv) {
    this.#parent = parent
    this.#server = server
    this.env = env
    this.folder = join(parent, 'd')
    this.api = new LocalApi(join(this.folder, 'server.sock'))
  }

  static async open(router: RouterName): Promise<BenchStage> {
    // Short: the path of a unix socket has 107 bytes.
    const parent = mkdtempSync(join(tmpdir(), 'nb-'))
    const folder = join(parent, 'd')
    const isLaid = await preparedBase.lay(folder)
    const { NARU_ROUTER: _ours, ...inherited } = process.env
    const env = { ...inherited, NARU_DATA: folder, ...(router === 'userland' ? { NARU_ROUTER: 'userland' } : {}) }
    const log = openSync(join(parent, 'server.log'), 'a')
    const server = spawn(process.execPath, [NARU, 'server'], { stdio: ['ignore', log, log], env })
    closeSync(log)
    const stage = new BenchStage(parent, server, env)
    await stage.#untilServing()
    if (isLaid) return stage
    const base = { program: process.execPath, repository: 'base/node', tag: '24' }
    await stage.api.post('/v1/images/base', base)
    await preparedBase.keep(folder)
    return stage
  }

  get serverPid(): number {
    return this.#server.pid ?? 0
  }

  /** A Git repository with a copy of an example; `edit` makes version n of it. */
  async app(example: string, edit: Edit): Promise<BenchApp> {
    const repository = join(this.#parent, 'git')
    cpSync(join(ROOT, example), repository, { recursive: true })
    await git(repository, 'init', '-q', '-b', 'main')
    return new BenchApp(this, repository, await freePort(), edit)
  }

  /** Ends everything and deletes it; what is left all the same is an error. */
  async close(): Promise<void> {
    const id = readFileSync(join(this.folder, 'id'), 'utf8').trim()
    if (this.#isGone) process.stderr.write(`the server ended by itself:\n${this.#log}\n`)
    else await this.#endServer()
    await endFolder(this.folder, 2000, AbortSignal.timeout(START_MS))
    rmSync(this.#parent, { recursive: true, force: true })
    const left = leftovers(this.folder, id)
    if (left.length > 0) process.stderr.write(`left behind:\n${left.join('\n')}\n`)
  }

  async #endServer(): Promise<void> {
    const gone = new Promise((resolve) => this.#server.once('exit', resolve))
    this.#server.kill('SIGTERM')
    const tooLong = setTimeout(() => {
      process.stderr.write(`the server did not end by SIGTERM:\n${this.#log}\n`)
      this.#server.kill('SIGKILL')
    }, END_MS)
    await gone
    clearTimeout(tooLong)
  }

  get #isGone(): boolean {
    return this.#server.exitCode !== null || this.#server.signalCode !== null
  }

  get #log(): string {
    return readFileSync(join(this.#parent, 'server.log'), 'utf8')
  }

  async #untilServing(): Promise<void> {
    const deadline = AbortSignal.timeout(START_MS)
    for (const delayMs of backoff(20, 100)) {
      if ((await runningServer(this.folder)) !== null) return
      if (this.#isGone || deadline.aborted) throw new Error(`the server did not start:\n${this.#log}`)
      await systemClock.sleep(delayMs, deadline)
    }
  }
}

/** An application in its repository, deployed through the API. */
export class BenchApp {
  readonly repository: string
  readonly port: number
  readonly #stage: BenchStage
  readonly #edit: Edit
  #versions = 0

  constructor(stage: BenchStage, repository: string, port: number, edit: Edit) {
    this.#stage = stage
    this.repository = repository
    this.port = port
    this.#edit = edit
  }

  /** Commits the next version. */
  async commit(): Promise<void> {
    this.#edit(this.repository, ++this.#versions)
    await git(this.repository, 'add', '-A')
    await git(this.repository, 'commit', '-q', '-m', `version ${this.#versions}`)
  }

  /** Deploys what is committed last, or a revision again; answers its events. Throws when it did not end all-new. */
  async deploy(revision: number | null = null): Promise<readonly Event[]> {
    const body = {
      file: { text: readFileSync(join(this.repository, 'naru.yaml'), 'utf8'), name: 'naru.yaml' },
      folderName: 'hello',
      environment: null,
      source: { repository: this.repository, folder: '', ref: null },
      variables: this.variables,
      by: 'bench',
      image: null,
      revision,
      plan: null,
    }
    const { operation } = await this.#stage.api.post<OperationBody>('/v1/deploys', body)
    const events = await this.#stage.api.events(operation)
    const end = events.at(-1)
    if (end?.kind === 'end' && end.endState === 'all-new') return events
    throw new Error(`a rollout did not end all-new:\n${events.map((event) => JSON.stringify(event)).join('\n')}`)
  }

  /** What naru.yaml of the example reads of its environment. */
  get variables(): Record<string, string> {
    return { HELLO_PORT: String(this.port) }
  }
}

/** Replaces a text in a file of a repository. */
export function replaceIn(path: string, pattern: RegExp | string, text: string): void {
  writeFileSync(path, readFileSync(path, 'utf8').replace(pattern, text))
}

async function git(repository: string, ...args: readonly string[]): Promise<void> {
  const identity = ['-c', 'user.name=bench', '-c', 'user.email=bench@example.com', '-c', 'commit.gpgsign=false']
  await exec('git', ['-C', repository, ...identity, ...args])
}
