import { DeployError } from '../../model/failure.ts'
import type { SourceTree } from '../../source/source.ts'
import type { Files } from '../image/file-entry.ts'
import { joinPath, parentOf } from '../image/file-tree.ts'
import { resolvePath } from '../image/resolve-path.ts'
import { Beneath } from './beneath.ts'
import { CommitContent } from './commit-contents.ts'
import { commitFiles } from './commit-files.ts'
import { DiskFiles } from './disk-files.ts'
import { FolderFiles } from './folder-files.ts'
import { readIgnore } from './ignore.ts'

/** Of a Dockerfile or .dockerignore: larger ones are no such files. */
const MOST_TEXT_BYTES = 2 ** 20

/** The Dockerfile and the files that it may copy. */
export interface BuildContext {
  readonly files: Files
  readonly dockerfile: string
  /** Another folder of the same tree, less what its own .dockerignore leaves out. Throws BUILD_PATH_ESCAPES, BUILD_COPY_SOURCE_MISSING. */
  folder(path: string): Promise<Files>
  /** A small file from the root of the tree, whatever .dockerignore says; null: it is not there. Throws BUILD_PATH_ESCAPES, BUILD_SOURCE_INVALID. */
  text(path: string, setting: string): Promise<string | null>
  close(): void
}

/** What is built: a folder of this machine by its absolute path, or a commit that is not laid out. */
export type ContextRoot = string | SourceTree

/**
 * Opens the context and reads the Dockerfile. Both are relative to the root, and links in their paths may not leave it.
 * `NAME.dockerignore` beside the Dockerfile goes before `.dockerignore` in the context. `temporary`: for what of a commit is
 * too much for memory. Throws DOCKERFILE_NOT_FOUND, BUILD_PATH_ESCAPES.
 */
export async function openContext(
  root: ContextRoot,
  { context, dockerfile }: { readonly context: string; readonly dockerfile: string },
  temporary: () => string,
): Promise<BuildContext> {
  if (typeof root !== 'string') return contextOf(await commitFiles(root, temporary), context, dockerfile, () => {})
  const beneath = new Beneath(root)
  try {
    return await contextOf(new DiskFiles(beneath), context, dockerfile, () => beneath.close())
  } catch (failed) {
    beneath.close()
    throw failed
  }
}

async function contextOf(all: Files, context: string, dockerfile: string, close: () => void): Promise<BuildContext> {
  const base = realFolder(all, context, 'build.context')
  const text = await readText(all, realPath(all, dockerfile, 'Dockerfile'))
  if (text === null) throw noDockerfile(dockerfile)
  const ignored =
    (await readText(all, realPath(all, `${dockerfile}.dockerignore`, '.dockerignore'))) ??
    (await readText(all, joinPath(base, '.dockerignore')))
  return {
    files: new FolderFiles(all, base, readIgnore(ignored)),
    dockerfile: text,
    async folder(path) {
      const real = realFolder(all, path, '--build-context')
      return new FolderFiles(all, real, readIgnore(await readText(all, joinPath(real, '.dockerignore'))))
    },
    text: (path, setting) => readText(all, realPath(all, path, setting)),
    close,
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

async function readText(files: Files, path: string): Promise<string | null> {
  const entry = files.at(path)
  if (entry?.type !== 'file') return null
  const { content } = entry
  if (content instanceof CommitContent) await content.all.bring([content])
  if (content.size > MOST_TEXT_BYTES) {
    throw new DeployError(
      'BUILD_SOURCE_INVALID',
      `${path} has ${content.size} bytes; at most ${MOST_TEXT_BYTES} are read`,
      { hint: 'Is that the right file?' },
    )
  }
  return Buffer.concat([...content.chunks()]).toString('utf8')
}
