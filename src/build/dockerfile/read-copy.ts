import { jsonList } from './command-form.ts'
import { heredocOf } from './heredoc.ts'
import type { CopyInstruction } from './instruction.ts'
import type { RawInstruction } from './parse-dockerfile.ts'
import { syntaxError } from './place.ts'
import { type FlagKind, readFlags, repeatedFlag } from './read-flags.ts'

const BOTH: Readonly<Record<string, FlagKind>> = { chown: 'text', chmod: 'text', link: 'switch', exclude: 'text' }
const FLAGS: Readonly<Record<'copy' | 'add', Readonly<Record<string, FlagKind>>>> = {
  copy: { ...BOTH, from: 'text', parents: 'switch' },
  add: { ...BOTH, 'keep-git-dir': 'switch', checksum: 'text', unpack: 'switch' },
}

/** COPY and ADD: flags, sources (paths and here-documents), destination. */
export function readCopy(raw: RawInstruction, kind: 'copy' | 'add'): CopyInstruction {
  const flags = readFlags(raw, FLAGS[kind], new Set(['exclude']))
  const unpack = flags.get('unpack')
  const list = jsonList(raw.rest, raw.place)
  const words = list ?? raw.rest.split(/\s+/).filter((word) => word !== '')
  const destination = words.at(-1)
  if (destination === undefined || words.length < 2) {
    const hint = `Write ${raw.keyword} SOURCE… DESTINATION; a name with blanks needs the list form ["a b", "/to/"].`
    throw syntaxError(raw.place, `${raw.keyword} needs a source and a destination`, hint)
  }
  const isFile = (word: string) => list === null && heredocOf(word) !== null
  return {
    kind,
    sources: words.slice(0, -1).filter((word) => !isFile(word)),
    files: raw.heredocs,
    destination,
    from: flags.get('from') || null,
    chown: flags.get('chown') || null,
    chmod: flags.get('chmod') || null,
    link: flags.get('link') === 'true',
    parents: flags.get('parents') === 'true',
    excludes: repeatedFlag(raw, 'exclude'),
    checksum: flags.get('checksum') ?? null,
    keepGitDir: flags.get('keep-git-dir') === 'true',
    unpack: unpack === undefined ? null : unpack === 'true',
  }
}
