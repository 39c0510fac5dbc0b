import type { Files } from '../image/file-entry.ts'
import { joinPath, nameOf, parentOf } from '../image/file-tree.ts'
import { resolvePath } from '../image/resolve-path.ts'

/** Whether a source has signs of a pattern (Go's filepath.Match: `*`, `?`, `[a-z]`, `\x`). */
export const isPattern = (source: string): boolean => /[*?[\\]/.test(source)

/**
 * The paths of a tree that a pattern means, sorted. `*` and `?` stay within one name. Links on the way are followed; a
 * pattern never matches what a link outside the tree would give. Throws SyntaxError for a broken `[`.
 */
export function matchPaths(files: Files, pattern: string): readonly string[] {
  let found = ['']
  for (const part of pattern.split('/').filter((name) => name !== '' && name !== '.')) {
    found = found.flatMap((folder) => {
      if (!isPattern(part)) return [joinPath(folder, part)]
      const real = resolvePath(files, folder)
      if (real === null || real.escaped || files.at(real.path)?.type !== 'directory') return []
      const regexp = new RegExp(`^${nameSource(part)}$`, 'su')
      return files.names(real.path).flatMap((name) => (regexp.test(name) ? joinPath(folder, name) : []))
    })
  }
  return found.filter((path) => {
    const folder = resolvePath(files, parentOf(path))
    return folder !== null && (folder.escaped || files.at(joinPath(folder.path, nameOf(path))) !== null)
  })
}

/** The source of a regular expression for one name of a pattern. */
function nameSource(pattern: string): string {
  return pattern.replace(
    /\[(\^?)((?:\\.|[^\]\\])+)\]|\\(.)|[\s\S]/gu,
    (part, not?: string, set?: string, escaped?: string) => {
      if (set !== undefined) return `[${not === '^' ? '^' : ''}${set.replace(/[[&~|^]/g, '\\$&')}]`
      if (escaped !== undefined) return literal(escaped)
      if (part === '*') return '[^/]*'
      if (part === '[') throw new SyntaxError(`"[" has no "]" in ${pattern}`)
      return part === '?' ? '[^/]' : literal(part)
    },
  )
}

const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
