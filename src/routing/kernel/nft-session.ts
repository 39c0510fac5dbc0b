import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { parseTable } from './held-table.ts'
import type { HeldTable } from './wanted-table.ts'

/** A switch takes 1 ms; a busy machine or a huge ruleset may take longer. */
const ANSWER_TIMEOUT_MS = 10_000
/** The last part of what nft complained about. */
const COMPLAINT_BYTES = 4000

/**
 * The environment of nft: it is often in sbin only, which an ordinary PATH leaves out. Its history of commands goes nowhere: without a HOME it
 * would write /.nft.history, and read it at each start.
 */
export const nftEnv = () => ({
  LC_ALL: 'C',
  HOME: '/dev/null',
  PATH: `${process.env.PATH ?? '/usr/bin:/bin'}:/usr/sbin:/sbin`,
})

/** Always prints one line that begins like this, and reads nothing from the kernel (a list of all tables would read every element: 10 ms). */
const LAST = { command: 'describe meta length', answer: 'meta expression' }

interface Waiting {
  held: HeldTable | null
  resolve(held: HeldTable | null): void
  reject(why: Error): void
}

/**
 * One long-lived `nft -i`, fed with a line per transaction (a start for each would cost 20 ms, this 1). Each exchange reads the table back:
 * that is the proof, whatever nft said. Only checked numbers and addresses may stand in a command.
 */
export class NftSession {
  readonly #child: ChildProcess
  readonly #table: string
  #waiting: Waiting | null = null
  #ended: Error | null = null
  #complaint = ''

  constructor(program: string, table: string) {
    this.#table = table
    this.#child = spawn(program, ['-j', '-nn', '-i'], { stdio: ['pipe', 'pipe', 'pipe'], env: nftEnv() })
    this.#child.once('error', (error) => this.#end(error))
    this.#child.once('close', (code, signal) => this.#end(new Error(`nft ended with ${signal ?? code}`)))
    this.#child.stdin?.on('error', () => {})
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#complaint = (this.#complaint + chunk.toString('utf8')).slice(-COMPLAINT_BYTES)
    })
    if (this.#child.stdout !== null)
      createInterface({ input: this.#child.stdout }).on('line', (line) => this.#line(line))
  }

  get ended(): boolean {
    return this.#ended !== null
  }

  /** What nft wrote to stderr during the last exchange. */
  get complaint(): string {
    return this.#complaint.trim()
  }

  /** Carries out the command (null: none) and answers what the table then holds; null: it is not there. One at a time. */
  exchange(command: string | null): Promise<HeldTable | null> {
    if (this.#ended !== null) return Promise.reject(this.#ended)
    this.#complaint = ''
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#end(new Error(`nft did not answer within ${ANSWER_TIMEOUT_MS} ms`))
        this.#child.kill('SIGKILL')
      }, ANSWER_TIMEOUT_MS)
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer)
          this.#waiting = null
          then(value)
        }
      this.#waiting = { held: null, resolve: settle(resolve), reject: settle(reject) }
      const first = command === null ? '' : `${command}\n`
      // Listing an absent table prints nothing to stdout: what always prints ends the answer.
      this.#child.stdin?.write(`${first}list table ${this.#table}\n${LAST.command}\n`)
    })
  }

  close(): void {
    this.#child.stdin?.end()
  }

  #line(line: string): void {
    if (line.startsWith(LAST.answer)) this.#waiting?.resolve(this.#waiting.held)
    else if (this.#waiting !== null && line.startsWith('{')) this.#waiting.held = parseTable(JSON.parse(line))
  }

  #end(why: Error): void {
    this.#ended ??= why
    this.#waiting?.reject(why)
  }
}
