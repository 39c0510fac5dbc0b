import { fchmodSync, mkdirSync } from 'node:fs'
import type { Folder } from './folder.ts'
import { invalidLayer } from './invalid-layer.ts'

/** Goes to folders below a root by descriptors, and keeps the last way open: entries of an archive come folder by folder. */
export class FolderWalk {
  readonly #root: Folder
  /** Paths of folders that it made: those of a layer without an entry of their own. */
  readonly made = new Set<string>()
  readonly #way: { readonly name: string; readonly folder: Folder }[] = []

  constructor(root: Folder) {
    this.#root = root
  }

  /** The folder at `parts`, made where it is missing. It stays open until the next call. A link or a file on the way is refused. */
  enter(parts: readonly string[]): Folder {
    let kept = 0
    while (kept < parts.length && this.#way[kept]?.name === parts[kept]) kept++
    this.#closeFrom(kept)
    for (const name of parts.slice(kept)) {
      const parent = this.#way.at(-1)?.folder ?? this.#root
      const found = parent.look(name)
      if (found === null) mkdirSync(parent.at(name))
      else if (!found.isDirectory())
        throw invalidLayer(`the path ${JSON.stringify(parts.join('/').slice(0, 200))} goes through a link or a file`)
      const folder = parent.into(name)
      // A folder without an entry of its own; whatever the umask is.
      if (found === null) {
        fchmodSync(folder.fd, 0o755)
        this.made.add(parts.slice(0, this.#way.length + 1).join('/'))
      }
      this.#way.push({ name, folder })
    }
    return this.#way.at(-1)?.folder ?? this.#root
  }

  /** What stands at `parts` is about to be replaced. */
  forget(parts: readonly string[]): void {
    const depth = parts.length - 1
    if (parts.every((name, at) => this.#way[at]?.name === name)) this.#closeFrom(depth)
  }

  close(): void {
    this.#closeFrom(0)
  }

  #closeFrom(depth: number): void {
    for (const { folder } of this.#way.splice(depth)) folder.close()
  }
}
