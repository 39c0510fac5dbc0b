import { DeployError } from '../model/failure.ts'

type Answer = (reason: DeployError) => void | Promise<void>

/** Ctrl-C and SIGTERM, and the command's own --timeout: whoever answers for the work now decides what they mean. */
export class Interrupts {
  readonly #ending = new AbortController()
  #answer: Answer | null = null
  #timer: NodeJS.Timeout | undefined

  /** Aborted when nobody else answered. */
  get signal(): AbortSignal {
    return this.#ending.signal
  }

  /** From now on `answer` is called in place of aborting the signal; call the returned function to give it back. */
  answerBy(answer: Answer): () => void {
    this.#answer = answer
    return () => {
      if (this.#answer === answer) this.#answer = null
    }
  }

  readonly interrupt = (): void => this.#end(interrupted())

  /** After so many seconds the command ends with TIMED_OUT. */
  limit(seconds: number): void {
    this.#timer = setTimeout(() => this.#end(timedOut(seconds)), Math.min(seconds * 1000, 2 ** 31 - 1))
    this.#timer.unref()
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #end(reason: DeployError): void {
    if (this.#answer !== null) void this.#answer(reason)
    else this.#ending.abort(reason)
  }
}

const interrupted = () =>
  new DeployError('INTERRUPTED', 'interrupted', { hint: 'Nothing was left half done. Run the same command again.' })

const timedOut = (seconds: number) =>
  new DeployError('TIMED_OUT', `not done within ${seconds} s (--timeout)`, {
    hint: 'See what happens now with: naru status.',
    detail: { seconds },
  })
