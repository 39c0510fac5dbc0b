import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../e2e/harness/eventually.ts'
import { freePort } from '../e2e/harness/free-ports.ts'
import { leftovers } from '../e2e/harness/leftovers.ts'
import { preparedBase } from '../e2e/harness/prepared-base.ts'
import { TestApp } from '../e2e/harness/test-app.ts'

const BIN = join(import.meta.dirname, '..', '..', 'bin', 'naru')

/** What a command wrote and how it ended. */
export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A command that runs: a signal may be sent to it before it ends. */
export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ran>
  /** Waits until stderr holds a text. */
  told(text: string): Promise<void>
  /** Waits for a line of stdout that holds a text, and answers it. */
  said(text: string): Promise<string>
}

export interface RunOptions {
  readonly cwd?: string
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
}

/** A data folder of its own, on which the command line is used as a person would, by processes. At its end nothing may be left. */
export class CliStage {
  readonly folder: string
  readonly data: string
  readonly #env: Readonly<Record<string, string>>

  private constructor(folder: string) {
    this.folder = folder
    this.data = join(folder, 'd')
    this.#env = {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      USER: 'kim',
      NARU_DATA: this.data,
      NARU_ROUTER: 'userland',
    }
  }

  /** Short: the path of a unix socket has 107 bytes. */
  static open(): CliStage {
    return new CliStage(mkdtempSync(join(tmpdir(), 'nc-')))
  }

  /** The base image of the app's Dockerfile. */
  async baseImage(): Promise<void> {
    if (await preparedBase.lay(this.data)) return
    // As under CI: a server started for it would go on running.
    const made = await this.naru(['image', 'base', 'node', '--name', 'base/node:24'], { env: { CI: 'true' } })
    if (made.code !== 0) throw new Error(made.stderr)
  }

  /** An app in a repository of its own, published on a free port. */
  async app(name: string): Promise<TestApp> {
    return TestApp.create(join(this.folder, 'git'), name, await freePort())
  }

  /** Runs one command to its end. */
  naru(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return this.start(args, options).ended
  }

  start(args: readonly string[], options: RunOptions = {}): Running {
    return this.#start(process.execPath, [BIN, ...args], options)
  }

  /** Runs one command to its end in a terminal of that size; all that it wrote is in stdout. */
  inTerminal(columns: number, args: readonly string[], options: RunOptions): Promise<Ran> {
    const command = `stty cols ${columns} rows 24; exec "${process.execPath}" "${BIN}" ${args.join(' ')}`
    return this.#start('script', ['-qec', command, '/dev/null'], options).ended
  }

  #start(program: string, args: readonly string[], { cwd, input, env }: RunOptions): Running {
    const child = spawn(program, args, {
      cwd: cwd ?? this.folder,
      env: { ...this.#env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const text = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (chunk: string) => {
        text[name] += chunk
      })
    }
    child.stdin.on('error', () => {})
    child.stdin.end(input ?? '')
    const ended = new Promise<Ran>((resolve) => child.once('close', (code) => resolve({ code, ...text })))
    const told = (wanted: string) =>
      eventually(
        () => {
          if (!text.stderr.includes(wanted)) throw new Error(`${wanted} is not in:\n${text.stderr}\n${text.stdout}`)
        },
        { timeout: 60_000 },
      )
    const said = (wanted: string) =>
      eventually(
        () => {
          const line = text.stdout.split('\n').find((each) => each.includes(wanted))
          if (line === undefined) throw new Error(`${wanted} is not in:\n${text.stdout}\n${text.stderr}`)
          return line
        },
        { timeout: 60_000 },
      )
    return { child, ended, told, said }
  }

  /** Ends everything, deletes everything, and answers what is left all the same. */
  async close(): Promise<string[]> {
    const id = readId(this.data)
    const ended = await this.naru(['server', '--end-all'])
    rmSync(this.folder, { recursive: true, force: true })
    let left: string[] = []
    const nothingLeft = () => {
      left = leftovers(this.folder, id)
      if (left.length > 0) throw new Error('not yet')
    }
    await eventually(nothingLeft, { timeout: 20_000, interval: 50 }).catch(() => {})
    return ended.code === 0 ? left : [ended.stderr, ...left]
  }
}

/** An id that nothing has, where there is no data folder. */
function readId(folder: string): string {
  try {
    return readFileSync(join(folder, 'id'), 'utf8').trim()
  } catch {
    return 'no-id'
  }
}

/** The JSON lines that a command wrote. */
export const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
