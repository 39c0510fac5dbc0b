import { DeployError } from '../../model/failure.ts'
import type { SourceEntry, SourceTree } from '../../source/source.ts'
import type { FileEntry, Files } from '../image/file-entry.ts'
import { EARLIEST } from '../image/file-time.ts'
import { FileTree } from '../image/file-tree.ts'
import { CommitContents } from './commit-contents.ts'

/** No file system takes a longer target of a link (PATH_MAX of Linux). */
const LONGEST_TARGET = 4095

/** The files of a commit as files of an image, the same as of the folder that its checkout would fill. Reads nothing but links. */
export async function commitFiles(tree: SourceTree, folder: () => string): Promise<Files> {
  const contents = new CommitContents(tree, folder)
  const targets = await linkTargets(tree)
  const files = new FileTree()
  for (const { path, kind, id } of tree.entries) {
    const owner = { uid: 0, gid: 0 }
    const entry: FileEntry =
      kind === 'symlink'
        ? { ...owner, type: 'symlink', mode: 0o777, mtime: EARLIEST, target: targets.get(id) ?? '' }
        : {
            ...owner,
            type: 'file',
            mode: kind === 'file' ? 0o644 : 0o755,
            mtime: 'content',
            content: contents.content(id),
          }
    files.set(path, entry)
  }
  return files
}

async function linkTargets(tree: SourceTree): Promise<ReadonlyMap<string, string>> {
  const links = tree.entries.filter(({ kind }) => kind === 'symlink')
  const parts = new Map<string, Uint8Array[]>()
  const ids = [...new Set(links.map(({ id }) => id))]
  if (ids.length > 0) {
    await tree.read(ids, (id, size) => {
      if (size === 0 || size > LONGEST_TARGET) throw noTarget(links, id)
      const held: Uint8Array[] = []
      parts.set(id, held)
      return (part) => held.push(part)
    })
  }
  const targets = new Map([...parts].map(([id, held]) => [id, Buffer.concat(held).toString('utf8')]))
  for (const [id, target] of targets) if (target.includes('\0')) throw noTarget(links, id)
  return targets
}

function noTarget(links: readonly SourceEntry[], id: string): DeployError {
  const path = links.find((link) => link.id === id)?.path ?? ''
  return new DeployError('SOURCE_PATH_INVALID', `the symlink ${JSON.stringify(path.slice(0, 200))} leads to no path`, {
    hint: 'Replace or remove it in the repository.',
  })
}
