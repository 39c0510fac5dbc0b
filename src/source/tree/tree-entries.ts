import type { SourceEntry } from '../source.ts'

/** Longer names fit into no file system. */
const LONGEST_NAME = 255
/** Names that begin as git's own folder does, and are honest files nearly everywhere. */
const HONEST =
  /^\.git(?:ignore|attributes|modules|keep|hub|lab|lab-ci\.yml|ea|pod\.yml|pod\.dockerfile|leaks\.toml|message|config|-blame-ignore-revs)$/

/**
 * The files that `git ls-tree -r -z` lists. null: the commit has submodules, or names that git's checkout may refuse (A3):
 * then the checkout has to say so. Whoever doubts a name answers null: it costs time only.
 */
export function treeEntries(listed: string): readonly SourceEntry[] | null {
  const entries: SourceEntry[] = []
  const paths = new Set<string>()
  for (const line of listed.split('\0')) {
    if (line === '') continue
    const [, mode = '', type, id = '', path = ''] = /^([0-7]+) (\w+) ([0-9a-f]+)\t(.+)$/s.exec(line) ?? []
    const kind = kindOf(mode)
    if (type !== 'blob' || kind === null || !isPlain(path, kind) || paths.has(path)) return null
    paths.add(path)
    entries.push({ path, kind, id })
  }
  return standsInItself(paths) ? null : entries
}

function kindOf(mode: string): SourceEntry['kind'] | null {
  if (mode === '120000') return 'symlink'
  if (!/^100[0-7]{3}$/.test(mode)) return null
  return (Number.parseInt(mode, 8) & 0o100) === 0 ? 'file' : 'executable'
}

/** Whether no rule of git for names (verify_path, with protectHFS and protectNTFS) can touch a path. */
function isPlain(path: string, kind: SourceEntry['kind']): boolean {
  if (path.includes('\\')) return false
  return path.split('/').every((name) => {
    if (name === '' || name === '.' || name === '..' || Buffer.byteLength(name) > LONGEST_NAME) return false
    // HFS+ leaves some letters beyond ASCII out when it compares.
    const seen = name.toLowerCase().replace(/[^\x20-\x7e]/g, '')
    if (!/^(?:\.?git|gi[0-9a-f]*~)/.test(seen)) return true
    return kind !== 'symlink' && (HONEST.test(seen) || !/^(?:\.git|gi[0-9a-z]*~)/.test(seen))
  })
}

/** Whether a file is also a folder: of such, git takes one without a word. */
function standsInItself(paths: ReadonlySet<string>): boolean {
  for (const path of paths) {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      if (paths.has(path.slice(0, end))) return true
    }
  }
  return false
}
