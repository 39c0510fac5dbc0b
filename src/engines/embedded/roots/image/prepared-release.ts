import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Scope } from '../../../../model/app.ts'
import type { ImageConfig } from '../../../../model/descriptor.ts'
import { makeFolder, writeFileAtomic } from '../../../../os/atomic-file.ts'

/** What is known of a release whose layers are unpacked; a file, so that a restart needs no registry. */
export interface PreparedRelease {
  readonly artifact: string
  readonly config: ImageConfig
  /** Short names of its layers, lowest first, and of its lower folders, top first. */
  readonly layers: readonly string[]
  readonly lowers: readonly string[]
}

/** The prepared releases of a data folder: their layers are kept. */
export class PreparedReleases {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  async read(scope: Scope, revision: number): Promise<PreparedRelease | null> {
    return parse(await readFile(this.#file(scope, revision), 'utf8').catch(nothing))
  }

  async write(scope: Scope, revision: number, prepared: PreparedRelease): Promise<void> {
    await makeFolder(this.#folder, 0o700)
    await writeFileAtomic(this.#file(scope, revision), JSON.stringify(prepared), 0o600)
  }

  /** Forgets the scope's revisions that are not in `keep`. */
  async keep(scope: Scope, keep: readonly number[]): Promise<void> {
    const prefix = `${scope.app}.${scope.environment}.`
    const kept = new Set(keep.map((revision) => `${prefix}${revision}.json`))
    for (const name of await this.#names())
      if (name.startsWith(prefix) && !kept.has(name)) await rm(join(this.#folder, name), { force: true })
  }

  /** Short names that some prepared release uses. */
  async used(): Promise<Set<string>> {
    const used = new Set<string>()
    for (const name of await this.#names()) {
      const prepared = parse(await readFile(join(this.#folder, name), 'utf8').catch(nothing))
      for (const short of [...(prepared?.layers ?? []), ...(prepared?.lowers ?? [])]) used.add(short)
    }
    return used
  }

  async #names(): Promise<readonly string[]> {
    const names = (await readdir(this.#folder).catch(nothing)) ?? []
    return names.filter((name) => name.endsWith('.json') && !name.startsWith('.'))
  }

  #file = ({ app, environment }: Scope, revision: number): string =>
    join(this.#folder, `${app}.${environment}.${revision}.json`)
}

const nothing = (failed: NodeJS.ErrnoException): null => {
  if (failed.code === 'ENOENT') return null
  throw failed
}

function parse(text: string | null): PreparedRelease | null {
  if (text === null) return null
  try {
    return JSON.parse(text) as PreparedRelease
  } catch {
    return null // as good as not there: it is prepared again
  }
}
