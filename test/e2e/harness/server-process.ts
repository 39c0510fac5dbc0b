import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from './eventually.ts'
import { ApiClient } from '../../../src/cli/api-client.ts'
import { runningServer } from '../../../src/main/running-server.ts'

/** A real server process on a data folder. It can be killed between any two instructions, and started again. */
export class ServerProcess {
  readonly folder: string
  readonly client: ApiClient
  readonly #env: Readonly<Record<string, string>>
  #child: ChildProcess | null = null

  constructor(folder: string, env: Readonly<Record<string, string>> = {}) {
    this.folder = folder
    this.#env = env
    this.client = new ApiClient({ kind: 'socket', path: join(folder, 'server.sock') })
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** What it wrote, for failures of tests. */
  get log(): string {
    return readFileSync(`${this.folder}.log`, 'utf8')
  }

  /** `wrap`: a program with arguments to run it under (strace). */
  async start(wrap: readonly string[] = []): Promise<void> {
    const log = openSync(`${this.folder}.log`, 'a')
    const [program = '', ...args] = [...wrap, process.execPath, join(import.meta.dirname, 'serve.ts'), this.folder]
    const child = spawn(program, args, { stdio: ['ignore', log, log], env: { ...process.env, ...this.#env } })
    closeSync(log)
    this.#child = child
    await eventually(
      async () => {
        if (child.exitCode !== null) return
        if ((await runningServer(this.folder)) === null) throw new Error(`no server yet: ${this.log}`)
      },
      { timeout: 30_000, interval: 20 },
    )
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}: ${this.log}`)
  }

  /** The power plug of the process. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await gone
  }
}
