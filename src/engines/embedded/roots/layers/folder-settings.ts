import type { Folder } from './folder.ts'

interface Settings {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtime: number
}

/** Modes, owners and times of folders: set at the end, deepest first, because a folder without write permission takes no more entries. */
export class FolderSettings {
  readonly #byPath = new Map<string, Settings>()

  remember(parts: readonly string[], { mode, uid, gid, mtime }: Settings): void {
    this.#byPath.set(parts.join('/'), { mode, uid, gid, mtime })
  }

  has(path: string): boolean {
    return this.#byPath.has(path)
  }

  /** Folders that a later entry replaced are passed over. */
  apply(root: Folder, owners: boolean): void {
    const paths = [...this.#byPath].sort(([a], [b]) => (a < b ? 1 : -1))
    for (const [path, settings] of paths) {
      const folder = root.find(path.split('/').filter((part) => part !== ''))
      if (folder === null) continue
      try {
        // An ordinary user must be able to read and empty its own folders later.
        const mode = owners ? settings.mode : (settings.mode & 0o777) | 0o500
        folder.set(mode, owners ? settings : null, settings.mtime)
      } finally {
        folder.close()
      }
    }
  }
}
