import { PassThrough } from 'node:stream'
import { finished } from 'node:stream/promises'
import { ByteSource } from '../../lib/byte-source.ts'
import type { RunResult } from '../../os/run.ts'
import { gitFailure } from '../git-failure.ts'
import type { GitCall, GitProgram } from '../git-program.ts'

/** Of the header of one blob: an id, a word and a number. */
const LONGEST_HEADER = 200
/** A build may wait for hours between two reads; the process ends with ours. */
const LONGEST_MS = 24 * 3600_000
/** One blob. */
const READ_MS = 10 * 60_000

/** Reads blobs of a repository through one `git cat-file --batch`, which starts at once and ends with `close`. */
export class BlobReader {
  readonly #call: Pick<GitCall, 'url' | 'doing'>
  readonly #input = new PassThrough()
  readonly #stop = new AbortController()
  readonly #output: Promise<ByteSource>
  readonly #ended: Promise<RunResult>
  /** One read after the other. After a failure there is none: what would come next is not known. */
  #turn: Promise<void> = Promise.resolve()

  constructor(git: GitProgram, call: Pick<GitCall, 'url' | 'doing' | 'env'>, signal: AbortSignal) {
    this.#call = call
    const output = Promise.withResolvers<ByteSource>()
    this.#output = output.promise
    this.#ended = git.try(
      ['cat-file', '--batch'],
      {
        ...call,
        input: this.#input,
        timeoutMs: LONGEST_MS,
        onStdout: async (stream) => {
          output.resolve(new ByteSource(stream as AsyncIterable<Uint8Array>))
          await finished(stream, { cleanup: true }).catch(() => {})
        },
      },
      AbortSignal.any([signal, this.#stop.signal]),
    )
    this.#ended.catch(output.reject)
    this.#output.catch(() => {})
  }

  /** Hands over each blob in the order asked: `take` is told its size and answers where its parts go. */
  read(ids: readonly string[], take: (id: string, size: number) => (part: Uint8Array) => void): Promise<void> {
    const turn = this.#turn.then(() => this.#read(ids, take))
    this.#turn = turn
    turn.catch(() => {})
    return turn
  }

  /** Ends the process. Doing it twice is fine. */
  async close(): Promise<void> {
    this.#input.end()
    this.#stop.abort()
    await this.#ended.catch(() => {})
  }

  async #read(ids: readonly string[], take: (id: string, size: number) => (part: Uint8Array) => void): Promise<void> {
    const output = await this.#output
    this.#input.write(ids.map((id) => `${id}\n`).join(''))
    const late = setTimeout(() => this.#stop.abort(), READ_MS)
    try {
      for (const id of ids) {
        await this.#readOne(output, id, take)
        late.refresh()
      }
    } finally {
      clearTimeout(late)
    }
  }

  async #readOne(
    output: ByteSource,
    id: string,
    take: (id: string, size: number) => (part: Uint8Array) => void,
  ): Promise<void> {
    const header = await output.line(LONGEST_HEADER)
    const [, type, size] = /^[0-9a-f]+ (\w+) (\d+)$/.exec(header ?? '') ?? []
    if (type !== 'blob') throw await this.#failure(header === null ? '' : `missing blob ${id}`)
    const give = take(id, Number(size))
    for (let left = Number(size); left > 0; ) {
      const part = await output.some(left)
      if (part === null) throw await this.#failure('')
      left -= part.length
      give(part)
    }
    if ((await output.line(0)) === null) throw await this.#failure('')
  }

  /** `said`: what is wrong, where git itself did not end. */
  async #failure(said: string): Promise<unknown> {
    const { url, doing } = this.#call
    if (said !== '') return gitFailure(said, url, doing, null)
    const { stderr } = await this.#ended
    return gitFailure(stderr, url, doing, null)
  }
}
