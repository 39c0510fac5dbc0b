import { readFile } from 'node:fs/promises'
import { diskFull } from '../model/disk-full.ts'
import { DeployError } from '../model/failure.ts'
import { writeFileAtomic } from '../os/atomic-file.ts'
import { EMPTY_STATE, type RouterState } from './router-state.ts'

/** Version of the file's shape: a newer one is refused, never guessed at. */
const SHAPE = 1

/** Reads what a predecessor wrote; an absent file is the empty state. Throws ROUTER_FAILED for a file that is not ours or newer. */
export async function readState(path: string): Promise<RouterState> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (failed) {
    if ((failed as NodeJS.ErrnoException).code === 'ENOENT') return EMPTY_STATE
    throw failed
  }
  try {
    const { shape, state } = JSON.parse(text) as { shape: number; state: RouterState }
    if (shape === SHAPE) return state
  } catch {
    // Falls through: a file that cannot be read is refused like one of another shape.
  }
  throw new DeployError('ROUTER_FAILED', `${path} was written by another version of Naru or is damaged`, {
    hint: 'Start the version of Naru that wrote it, or stop all apps of this folder and delete the file.',
  })
}

/** Writes states one after the other; writes that wait together become one (the newest has all of them). */
export class StateFile {
  readonly #path: string
  readonly #current: () => RouterState
  #running: Promise<void> | null = null
  #next: Promise<void> | null = null

  constructor(path: string, current: () => RouterState) {
    this.#path = path
    this.#current = current
  }

  /** Resolves when what `current` answers now is durable. */
  save(): Promise<void> {
    if (this.#running === null) return this.#start()
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = null
        return this.#start()
      })
    return this.#next
  }

  #start(): Promise<void> {
    const text = JSON.stringify({ shape: SHAPE, state: this.#current() })
    const write = writeFileAtomic(this.#path, text, 0o600).catch((failed: unknown) => {
      throw diskFull(failed, `writing the router's state to ${this.#path}`)
    })
    this.#running = write
    const clear = () => {
      if (this.#running === write) this.#running = null
    }
    write.then(clear, clear)
    return write
  }
}
