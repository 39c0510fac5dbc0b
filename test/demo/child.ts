import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A program that runs beside the story, in a process group of its own: Ctrl-C reaches only the demo, which ends it in order. */
export class Child {
  readonly #process: ChildProcess
  readonly #ended: Promise<unknown>
  readonly #lines: string[] = []
  readonly #errors: string[] = []
  #wake = Promise.withResolvers<void>()

  constructor(args: readonly string[], env: Readonly<Record<string, string>>, cwd: string) {
    const child = spawn(process.execPath, args, { env, cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#process = child
    this.#ended = once(child, 'close')
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#lines.push(line)
      this.#wake.resolve()
    })
    createInterface({ input: child.stderr }).on('line', (line) => this.#errors.push(line))
    void this.#ended.then(() => this.#wake.resolve())
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** The end of what it wrote to stderr. */
  get errors(): readonly string[] {
    return this.#errors.slice(-10)
  }

  /** The next line that it writes. Throws when it ends before, or when nothing came in time. */
  async line(timeoutMs: number, signal: AbortSignal): Promise<string> {
    const stop = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    const stopped = once(stop, 'abort')
    while (this.#lines.length === 0) {
      if (!this.isRunning) throw new Error(`it ended before it was ready: ${this.errors.join('\n')}`)
      this.#wake = Promise.withResolvers<void>()
      await Promise.race([this.#wake.promise, stopped])
      stop.throwIfAborted()
    }
    return this.#lines.shift() ?? ''
  }

  /** Sends the signal and waits for the end; what is still there after `patienceMs` is killed. Answers its last line. */
  async end(signal: NodeJS.Signals, patienceMs: number): Promise<string> {
    if (this.isRunning) this.#process.kill(signal)
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), patienceMs)
    await this.#ended
    clearTimeout(timer)
    return this.#lines.at(-1) ?? ''
  }
}
