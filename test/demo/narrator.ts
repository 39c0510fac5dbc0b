import { styleText } from 'node:util'

/** What the demo tells, as text for people or as one JSON object a line. Nothing else writes to stdout. */
export class Narrator {
  readonly json: boolean
  #chapter = 0

  constructor(json: boolean) {
    this.json = json
  }

  chapter(title: string): void {
    this.#chapter++
    this.#tell({ kind: 'chapter', number: this.#chapter, title }, `\n${bold(`${this.#chapter}. ${title}`)}`)
  }

  /** A paragraph: what happens, and why it matters. */
  say(text: string): void {
    this.#tell({ kind: 'say', text }, text)
  }

  /** A command as the user would type it. */
  command(words: readonly string[]): void {
    this.#tell({ kind: 'command', command: words }, bold(`$ ${words.map(quoted).join(' ')}`))
  }

  /** A line that a command wrote to stdout. Under JSON it is JSON itself. */
  answer(line: string): void {
    if (this.json) process.stdout.write(`${line}\n`)
    else process.stdout.write(`  ${line}\n`)
  }

  /** A line that a command wrote to stderr: progress. Commands tell none under JSON. */
  progress(line: string): void {
    this.#tell({ kind: 'progress', line }, dim(`  ${line}`))
  }

  table(lines: readonly string[]): void {
    if (!this.json) process.stdout.write(`${lines.join('\n')}\n`)
  }

  object(value: object): void {
    if (this.json) process.stdout.write(`${JSON.stringify(value)}\n`)
  }

  #tell(object: object, text: string): void {
    process.stdout.write(`${this.json ? JSON.stringify(object) : text}\n`)
  }
}

const bold = (text: string): string => styleText('bold', text)
const dim = (text: string): string => styleText('dim', text)

const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`)
