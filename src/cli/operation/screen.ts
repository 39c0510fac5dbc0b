import type { WriteStream } from 'node:tty'

const HIDE_CURSOR = '\x1b[?25l'
const SHOW_CURSOR = '\x1b[?25h'
const CLEAR_BELOW = '\x1b[J'

/** Lines at the foot of a terminal that are drawn again and again, below lines that stay. */
export class Screen {
  readonly #stream: WriteStream
  #drawn = 0
  #foot: readonly string[] = []
  #hidden = false

  constructor(stream: WriteStream) {
    this.#stream = stream
  }

  /** Of a terminal that does not know (0), as it mostly is. */
  get size(): { width: number; height: number } {
    return { width: this.#stream.columns || 80, height: this.#stream.rows || 24 }
  }

  /** A line that stays. */
  print(line: string): void {
    this.#write(`${this.#up()}${CLEAR_BELOW}${line}\n${this.#footText()}`)
  }

  /** The lines at the foot, in place of those before. */
  draw(lines: readonly string[]): void {
    this.#foot = lines
    this.#write(`${this.#up()}${CLEAR_BELOW}${this.#footText()}`)
  }

  /** Takes the foot away and leaves the terminal as it was. */
  close(): void {
    this.draw([])
    if (this.#hidden) this.#stream.write(SHOW_CURSOR)
    this.#hidden = false
  }

  #write(text: string): void {
    this.#stream.write(this.#hidden ? text : HIDE_CURSOR + text)
    this.#hidden = true
  }

  #footText(): string {
    this.#drawn = this.#foot.length
    return this.#foot.map((line) => `${line}\n`).join('')
  }

  #up(): string {
    return this.#drawn === 0 ? '\r' : `\r\x1b[${this.#drawn}A`
  }
}
