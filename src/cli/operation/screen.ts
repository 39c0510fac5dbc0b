import type { WriteStream } from 'node:tty'
import { rowsTaken } from '../show/columns.ts'

const HIDE_CURSOR = '\x1b[?25l'
const SHOW_CURSOR = '\x1b[?25h'
const CLEAR_BELOW = '\x1b[J'

/** Lines at the foot of a terminal that are drawn again and again, below lines that stay. */
export class Screen {
  readonly #stream: WriteStream
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

  /** The lines at the foot, in place of those before; the last of them are left out where the terminal is too low. */
  draw(lines: readonly string[]): void {
    const up = this.#up()
    this.#foot = this.#fitting(lines)
    this.#write(`${up}${CLEAR_BELOW}${this.#footText()}`)
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
    return this.#foot.map((line) => `${line}\n`).join('')
  }

  /** Back to where the foot begins. Its lines are wrapped anew when the terminal changes its width. */
  #up(): string {
    const { width } = this.size
    const rows = this.#foot.reduce((sum, line) => sum + rowsTaken(line, width), 0)
    return rows === 0 ? '\r' : `\r\x1b[${rows}A`
  }

  /** What has scrolled out of a terminal cannot be drawn again: only what fits, below it the row of the cursor. */
  #fitting(lines: readonly string[]): readonly string[] {
    const { width, height } = this.size
    let rows = 1
    const more = lines.findIndex((line) => {
      rows += rowsTaken(line, width)
      return rows > height
    })
    return more === -1 ? lines : lines.slice(0, more)
  }
}
