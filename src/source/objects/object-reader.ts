import { PassThrough } from 'node:stream'
import { finished } from 'node:stream/promises'
import { ByteSource } from '../../lib/byte-source.ts'
import type { RunningProgram, RunResult } from '../../os/run.ts'
import { gitFailure } from '../git-failure.ts'
import type { GitProgram } from '../git-program.ts'

/** Of the header of one object: an id, a word and a number. */
const LONGEST_HEADER = 200
/** A build may wait for hours between two reads; the process ends with ours. */
const LONGEST_MS = 24 * 3600_000
/** One object. */
const READ_MS = 10 * 60_000

/** What stands before the bytes of an object; `missing`: the repository does not have it. */
export interface ObjectHeader {
  readonly kind: 'blob' | 'tree' | 'commit' | 'tag' | 'missing'
  /** Bytes. */
  readonly size: number
}

/** Who asks: for messages, and when it no longer matters. */
export interface ObjectCall {
  readonly url: string
  /** "reading 9f2c1ab". */
  readonly doing: string
  readonly signal: AbortSignal
}

/** Is told what an object is, and answers where its parts go. */
export type TakeObject = (id: string, header: ObjectHeader) => (part: Uint8Array) => void

/** Reads objects of a repository through one `git cat-file --batch` (git-cat-file(1)), which starts at once and ends with `close`. */
export class ObjectReader {
  readonly #input = new PassThrough()
  readonly #stop = new AbortController()
  readonly #output: Promise<ByteSource>
  readonly #ended: Promise<RunResult>
  #program: RunningProgram | null = null
  /** One read after the other. After a failure there is none: what would come next is not known. */
  #turn: Promise<void> = Promise.resolve()
  #isUsable = true

  constructor(git: GitProgram, gitDir: string) {
    const output = Promise.withResolvers<ByteSource>()
    this.#output = output.promise
    this.#ended = git.try(
      ['cat-file', '--batch'],
      {
        ...{ url: gitDir, doing: 'reading objects', env: { GIT_DIR: gitDir } },
        input: this.#input,
        timeoutMs: LONGEST_MS,
        onStart: (program) => {
          this.#program = program
        },
        onStdout: async (stream) => {
          output.resolve(new ByteSource(stream as AsyncIterable<Uint8Array>))
          await finished(stream, { cleanup: true }).catch(() => {})
          this.#isUsable = false
        },
      },
      this.#stop.signal,
    )
    this.#ended.catch((failed: unknown) => {
      this.#isUsable = false
      output.reject(failed)
    })
    this.#output.catch(() => {})
  }

  /** Whether it can be asked: nothing failed, and its process runs. */
  get isUsable(): boolean {
    return this.#isUsable
  }

  /** Whether our own process stays for it. */
  keepsAlive(yes: boolean): void {
    this.#program?.keepsAlive(yes)
  }

  /** Hands over each object in the order asked. Throws SOURCE_*, or the signal's reason; then it is not usable any more. */
  read(ids: readonly string[], take: TakeObject, call: ObjectCall): Promise<void> {
    const turn = this.#turn.then(() => this.#read(ids, take, call))
    this.#turn = turn
    turn.catch(() => {
      this.#isUsable = false
    })
    return turn
  }

  /** Ends the process. Doing it twice is fine. */
  async close(): Promise<void> {
    this.#isUsable = false
    this.#input.end()
    this.#stop.abort()
    await this.#ended.catch(() => {})
  }

  async #read(ids: readonly string[], take: TakeObject, call: ObjectCall): Promise<void> {
    const { signal } = call
    signal.throwIfAborted()
    const stop = () => this.#stop.abort(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    const late = setTimeout(() => this.#stop.abort(), READ_MS)
    try {
      const output = await this.#output
      this.#input.write(ids.map((id) => `${id}\n`).join(''))
      for (const id of ids) {
        await this.#readOne(output, id, take, call)
        late.refresh()
      }
    } finally {
      clearTimeout(late)
      signal.removeEventListener('abort', stop)
    }
  }

  async #readOne(output: ByteSource, id: string, take: TakeObject, call: ObjectCall): Promise<void> {
    const header = headerOf(await output.line(LONGEST_HEADER))
    if (header === null) throw await this.#failure(call)
    const give = take(id, header)
    if (header.kind === 'missing') return
    for (let left = header.size; left > 0; ) {
      const part = await output.some(left)
      if (part === null) throw await this.#failure(call)
      left -= part.length
      give(part)
    }
    if ((await output.line(0)) === null) throw await this.#failure(call)
  }

  async #failure({ url, doing }: ObjectCall): Promise<unknown> {
    const { stderr } = await this.#ended
    return gitFailure(stderr, url, doing, null)
  }
}

function headerOf(line: string | null): ObjectHeader | null {
  if (line === null) return null
  if (line.endsWith(' missing')) return { kind: 'missing', size: 0 }
  const [, kind, size] = /^[0-9a-f]+ (blob|tree|commit|tag) (\d+)$/.exec(line) ?? []
  return kind === undefined ? null : { kind: kind as ObjectHeader['kind'], size: Number(size) }
}
