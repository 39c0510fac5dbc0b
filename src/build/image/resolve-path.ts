import type { Files } from './file-entry.ts'
import { joinPath, parentOf } from './file-tree.ts'

/** Links that are followed for one path (as Linux: 40), then it is taken for a loop. */
const MOST_LINKS = 40

/**
 * Follows the links of a path inside its tree. `path`: where it leads; its last parts may be missing. `escaped`: a link or
 * `..` pointed above the root; as in a chroot it then goes on at the root. null: a loop of links.
 */
export function resolvePath(
  files: Pick<Files, 'at'>,
  path: string,
): { readonly path: string; readonly escaped: boolean } | null {
  const left = path.split('/').reverse()
  let at = ''
  let links = 0
  let escaped = false
  while (left.length > 0) {
    const part = left.pop() ?? ''
    if (part === '' || part === '.') continue
    if (part === '..') {
      escaped ||= at === ''
      at = parentOf(at)
      continue
    }
    const next = joinPath(at, part)
    const entry = files.at(next)
    if (entry?.type !== 'symlink') {
      at = next
      continue
    }
    links += 1
    if (links > MOST_LINKS) return null
    if (entry.target.startsWith('/')) {
      at = ''
      escaped = true
    }
    left.push(...entry.target.split('/').reverse())
  }
  return { path: at, escaped }
}
