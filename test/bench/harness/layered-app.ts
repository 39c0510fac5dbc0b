import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { git } from '../../../src/source/testing.ts'

const DOCKERFILE = 'FROM scratch\nWORKDIR /app\nCOPY deps node_modules/\nCOPY src src/\nCMD ["node", "src/s0.js"]\n'
const SOURCES = 20
const SOURCE_BYTES = 2000

/** How large the layer of dependencies is. */
export interface Dependencies {
  readonly files: number
  readonly bytes: number
}

/** What the figures speak of: 1,540 files, 15 MB of them in a layer that does not change. */
export const SMALL_DEPENDENCIES: Dependencies = { files: 1520, bytes: 15 * 2 ** 20 }

/** An app with a layer of dependencies and a layer of its own code, committed; the same in every run. */
export class LayeredApp {
  readonly root: string

  private constructor(root: string) {
    this.root = root
  }

  static async write(root: string, { files, bytes }: Dependencies): Promise<LayeredApp> {
    await mkdir(join(root, 'src'), { recursive: true })
    await writeFile(join(root, 'Dockerfile'), DOCKERFILE)
    await writeFile(join(root, '.dockerignore'), '.git\n')
    for (let at = 0; at < files; at++) {
      const into = join(root, 'deps', `package-${at % 80}`, `lib-${at % 7}`)
      await mkdir(into, { recursive: true })
      await writeFile(join(into, `file-${at}.js`), code(at, Math.floor(bytes / files)))
    }
    for (let at = 0; at < SOURCES; at++) await writeFile(join(root, 'src', `s${at}.js`), code(at, SOURCE_BYTES))
    git(root, ['init', '--quiet', '--initial-branch=main'])
    const app = new LayeredApp(root)
    app.#commit()
    return app
  }

  /** Changes one file of the code, and commits it. */
  async change(round: number): Promise<void> {
    await writeFile(join(this.root, 'src/s3.js'), code(1000 + round, SOURCE_BYTES))
    this.#commit()
  }

  #commit(): void {
    git(this.root, ['add', '--all'])
    git(this.root, ['commit', '--quiet', '--message', 'Change'])
  }
}

/** Text that compresses about as code does (1 : 4), the same in every run. */
function code(seed: number, bytes: number): string {
  let state = seed + 1
  const words: string[] = []
  for (let size = 0; size < bytes; ) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    const word = `${(state % 4096).toString(36)} `
    words.push(word, word)
    size += 2 * word.length
  }
  return words.join('').slice(0, bytes)
}
