import { closeSync, readFileSync, type Stats } from 'node:fs'
import { DeployError } from '../../model/failure.ts'
import { DiskContent } from '../image/content.ts'
import type { FileEntry, Files } from '../image/file-entry.ts'
import { EARLIEST } from '../image/file-time.ts'
import { joinPath, parentOf } from '../image/file-tree.ts'
import { resolvePath } from '../image/resolve-path.ts'
import { Beneath } from './beneath.ts'
import { type Ignore, readIgnore } from './ignore.ts'

/** Of a Dockerfile or .dockerignore: larger ones are no such files. */
const MOST_TEXT_BYTES = 2 ** 20

/** A folder of this machine as files of an image: everything belongs to root, and of the permissions only "executable" counts, as in git. */
export class DiskFiles implements Files {
  readonly #beneath: Beneath
  readonly #base: string
  readonly #ignore: Ignore
  readonly #seen = new Map<string, FileEntry | null>()

  /** `base`: the folder beneath that is the root of these files; a real path. */
  constructor(beneath: Beneath, base: string, ignore: Ignore) {
    this.#beneath = beneath
    this.#base = base
    this.#ignore = ignore
  }

  at(path: string): FileEntry | null {
    return this.#entry(path, () => this.#beneath.stat(this.#real(path)))
  }

  names(path: string): readonly string[] {
    return this.#beneath.entries(this.#real(path)).flatMap((listed) => {
      const inner = joinPath(path, listed.name)
      // Nothing but its kind is asked of a folder, and the listing tells it.
      const entry = listed.isDirectory() ? this.#entry(inner, () => 'folder') : this.at(inner)
      return entry === null ? [] : listed.name
    })
  }

  #real(path: string): string {
    return path === '' ? this.#base : joinPath(this.#base, path)
  }

  #entry(path: string, find: () => Stats | 'folder' | null): FileEntry | null {
    const seen = this.#seen.get(path)
    if (seen !== undefined) return seen
    const entry = this.#look(path, find())
    this.#seen.set(path, entry)
    return entry
  }

  #look(path: string, found: Stats | 'folder' | null): FileEntry | null {
    if (found === null) return null
    const isFolder = found === 'folder' || found.isDirectory()
    if (path !== '' && this.#ignore.ignores(path) && !this.#comesBack(path, isFolder)) return null
    if (path.includes('\uFFFD')) throw notUtf8(path)
    const owner = { uid: 0, gid: 0, mtime: EARLIEST }
    if (found === 'folder' || isFolder) return { ...owner, type: 'directory', mode: 0o755 }
    const real = this.#real(path)
    if (found.isSymbolicLink()) return { ...owner, type: 'symlink', mode: 0o777, target: this.#beneath.readLink(real) }
    if (!found.isFile()) return { ...owner, type: 'special', mode: 0o644 }
    const content = new DiskContent(path, found.size, () => this.#beneath.open(real))
    return { ...owner, type: 'file', mode: (found.mode & 0o100) === 0 ? 0o644 : 0o755, mtime: 'content', content }
  }

  #comesBack(path: string, isFolder: boolean): boolean {
    return isFolder && this.#ignore.exceptions && this.names(path).length > 0
  }
}

function notUtf8(path: string): DeployError {
  return new DeployError('BUILD_SOURCE_INVALID', `the name ${JSON.stringify(path)} is not UTF-8`, {
    hint: 'Rename the file, or leave it out by .dockerignore.',
  })
}

/** The Dockerfile and the files that it may copy. */
export interface BuildContext {
  readonly files: Files
  readonly dockerfile: string
  /** Another folder of the same tree, less what its own .dockerignore leaves out. Throws BUILD_PATH_ESCAPES, BUILD_COPY_SOURCE_MISSING. */
  folder(path: string): Files
  close(): void
}

/**
 * Opens the context and reads the Dockerfile. Both are relative to the root, and links in their paths may not leave it.
 * `NAME.dockerignore` beside the Dockerfile goes before `.dockerignore` in the context. Throws DOCKERFILE_NOT_FOUND,
 * BUILD_PATH_ESCAPES.
 */
export function openContext(root: string, context: string, dockerfile: string): BuildContext {
  const beneath = new Beneath(root)
  try {
    const all = new DiskFiles(beneath, '', readIgnore(null))
    const base = realFolder(all, context, 'build.context')
    const text = readText(beneath, all, realPath(all, dockerfile, 'Dockerfile'))
    if (text === null) throw noDockerfile(dockerfile)
    const ignored =
      readText(beneath, all, realPath(all, `${dockerfile}.dockerignore`, '.dockerignore')) ??
      readText(beneath, all, joinPath(base, '.dockerignore'))
    return {
      files: new DiskFiles(beneath, base, readIgnore(ignored)),
      dockerfile: text,
      folder: (path) => {
        const real = realFolder(all, path, '--build-context')
        return new DiskFiles(beneath, real, readIgnore(readText(beneath, all, joinPath(real, '.dockerignore'))))
      },
      close: () => beneath.close(),
    }
  } catch (failed) {
    beneath.close()
    throw failed
  }
}

function realFolder(files: Files, path: string, setting: string): string {
  const real = realPath(files, path, 'build context')
  if (files.at(real)?.type === 'directory') return real
  throw new DeployError('BUILD_COPY_SOURCE_MISSING', `the build context ${path} is no folder`, {
    hint: `Set ${setting} to a folder of the repository.`,
  })
}

function noDockerfile(path: string): DeployError {
  return new DeployError('DOCKERFILE_NOT_FOUND', `there is no file ${path} in the tree that is built`, {
    hint: 'Is it committed? Set build.dockerfile to its path from the root of the repository, or write one with: naru init',
    detail: { dockerfile: path },
  })
}

function realPath(files: Files, path: string, what: string): string {
  const found = resolvePath(files, path)
  if (found !== null && !found.escaped && !path.startsWith('/')) return found.path
  throw new DeployError('BUILD_PATH_ESCAPES', `the ${what} ${path} leads out of the tree that is built`, {
    hint: 'Use a path inside the repository; links may not lead out of it.',
    detail: { path, parent: parentOf(path) },
  })
}

function readText(beneath: Beneath, files: Files, path: string): string | null {
  const entry = files.at(path)
  if (entry?.type !== 'file') return null
  if (entry.content.size > MOST_TEXT_BYTES) {
    throw new DeployError(
      'BUILD_SOURCE_INVALID',
      `${path} has ${entry.content.size} bytes; at most ${MOST_TEXT_BYTES} are read`,
      {
        hint: 'Is that the right file?',
      },
    )
  }
  const fd = beneath.open(path)
  try {
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}
