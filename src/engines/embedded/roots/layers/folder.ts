import { closeSync, constants, fchmodSync, fchownSync, futimesSync, lstatSync, openSync, type Stats } from 'node:fs'

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants

/**
 * An open folder. What is in it is reached through its descriptor (`/proc/self/fd/N/name`), one name at a time and without
 * following links: so no path, however it was made, leads out of it (A6; Node has no openat2). Calls block: each is short.
 */
export class Folder {
  readonly fd: number

  private constructor(fd: number) {
    this.fd = fd
  }

  /** Opens a folder by a path that is ours; its last part must not be a link. */
  static open(path: string): Folder {
    return new Folder(openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
  }

  /** The path of `name` in this folder, for one system call. */
  at(name: string): string {
    return `/proc/self/fd/${this.fd}/${name}`
  }

  /** What stands under `name`, the link itself where it is one; null: nothing. */
  look(name: string): Stats | null {
    return lstatSync(this.at(name), { throwIfNoEntry: false }) ?? null
  }

  /** The folder `name` in this one; a link or a file there is an error (ELOOP, ENOTDIR). */
  into(name: string): Folder {
    return Folder.open(this.at(name))
  }

  /** The folder at these names below, opened for the caller, who closes it; null where there is none or a link is on the way. */
  find(parts: readonly string[]): Folder | null {
    let folder = this.into('.')
    for (const name of parts) {
      const next = folder.look(name)?.isDirectory() === true ? folder.into(name) : null
      folder.close()
      if (next === null) return null
      folder = next
    }
    return folder
  }

  /** Mode, owner (null: as it is) and time of the folder itself. */
  set(mode: number, owner: { readonly uid: number; readonly gid: number } | null, mtime: number): void {
    if (owner !== null) fchownSync(this.fd, owner.uid, owner.gid)
    futimesSync(this.fd, mtime, mtime)
    fchmodSync(this.fd, mode)
  }

  close(): void {
    closeSync(this.fd)
  }
}
