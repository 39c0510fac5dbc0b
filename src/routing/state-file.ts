import { readFile } from 'node:fs/promises'
import { diskFull } from '../model/disk-full.ts'
import { DeployError } from '../model/failure.ts'
import { writeFileAtomic } from '../os/atomic-file.ts'
import { EMPTY_STATE, type RouterState } from './router-state.ts'
import { Rounds } from './rounds.ts'

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
  readonly #rounds = new Rounds(() => this.#write())

  constructor(path: string, current: () => RouterState) {
    this.#path = path
    this.#current = current
  }

  /** Resolves when what `current` answers now is durable. */
  save(): Promise<void> {
    return this.#rounds.run()
  }

  async #write(): Promise<void> {
    const text = JSON.stringify({ shape: SHAPE, state: this.#current() })
    try {
      await writeFileAtomic(this.#path, text, 0o600)
    } catch (failed) {
      throw diskFull(failed, `writing the router's state to ${this.#path}`)
    }
  }
}
