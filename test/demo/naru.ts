import { join } from 'node:path'
import { run } from '../../src/os/run.ts'
import type { Narrator } from './narrator.ts'
import type { Surroundings } from './surroundings.ts'

export const NARU = join(import.meta.dirname, '..', '..', 'bin', 'naru')
/** No command of the demo needs longer, even on a machine that is busy with other things. */
const COMMAND_MS = 120_000

/** The command line, as a user has it: one process for each command, in the folder of the repository. */
export class Naru {
  readonly #where: Surroundings
  readonly #narrator: Narrator
  readonly #signal: AbortSignal

  constructor(where: Surroundings, narrator: Narrator, signal: AbortSignal) {
    this.#where = where
    this.#narrator = narrator
    this.#signal = signal
  }

  /** Runs a command, shows all that it writes, and answers its exit code. `onLine` sees each line of its progress. */
  async run(args: readonly string[], onLine: (line: string) => void = () => {}): Promise<number> {
    const narrator = this.#narrator
    narrator.command(['naru', ...args])
    const { code } = await this.#start(narrator.json ? [...args, '--output', 'json'] : args, {
      onStdoutLine: (line) => {
        narrator.answer(line)
        onLine(line)
      },
      onStderrLine: (line) => {
        narrator.progress(line)
        onLine(line)
      },
    })
    return code ?? -1
  }

  /** Runs a command silently, and answers what it wrote as JSON. */
  async ask<T>(args: readonly string[]): Promise<T> {
    const { code, stdout } = await this.#start([...args, '--output', 'json'], {})
    if (code !== 0) throw new Error(`naru ${args.join(' ')} ended with ${code}: ${stdout.trim()}`)
    return JSON.parse(stdout) as T
  }

  #start(
    args: readonly string[],
    lines: { onStdoutLine?: (line: string) => void; onStderrLine?: (line: string) => void },
  ) {
    const { repository, env } = this.#where
    const options = { cwd: repository, env, timeoutMs: COMMAND_MS, signal: this.#signal, ...lines }
    return run(process.execPath, [NARU, ...args], options)
  }
}
