import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../src/os/run.ts'
import type { Surroundings } from './surroundings.ts'

const EXAMPLE = join(import.meta.dirname, '..', '..', 'examples', 'hello')
const FILES = ['Dockerfile', 'naru.yaml', 'server.mjs']

/** A change of one file: what stands there, and what comes in its place. */
export interface Edit {
  readonly file: string
  readonly from: RegExp
  readonly to: string
}

/** The Git repository of the application: examples/hello, and what is committed on top. */
export class Repository {
  readonly #where: Surroundings
  readonly #signal: AbortSignal

  constructor(where: Surroundings, signal: AbortSignal) {
    this.#where = where
    this.#signal = signal
  }

  async create(): Promise<void> {
    const { repository, folder } = this.#where
    await this.#git(folder, 'init', '--quiet', '--initial-branch=main', repository)
    // File by file: a checkout that nobody may write to has read-only modes that must not come along.
    for (const file of FILES) await cp(join(EXAMPLE, file), join(repository, file), { mode: 0 })
    await this.#git(repository, 'config', 'user.name', 'kim')
    await this.#git(repository, 'config', 'user.email', 'kim@example.com')
  }

  /** Edits files, each of which must hold what is replaced, and commits. */
  async commit(subject: string, edits: readonly Edit[] = []): Promise<void> {
    const { repository } = this.#where
    for (const { file, from, to } of edits) {
      const path = join(repository, file)
      const text = await readFile(path, 'utf8')
      if (!from.test(text)) throw new Error(`examples/hello/${file} does not contain ${from}`)
      await writeFile(
        path,
        text.replace(from, () => to),
      )
    }
    await this.#git(repository, 'add', '--all')
    await this.#git(repository, 'commit', '--quiet', `--message=${subject}`)
  }

  async #git(cwd: string, ...args: readonly string[]): Promise<void> {
    const { env } = this.#where
    const { code, stderr } = await run('git', args, { cwd, env, timeoutMs: 30_000, signal: this.#signal })
    if (code !== 0) throw new Error(`git ${args[0]} ended with ${code}: ${stderr.trim()}`)
  }
}
