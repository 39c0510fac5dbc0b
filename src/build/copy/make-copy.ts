import type { AddSources } from '../add/add-sources.ts'
import type { Archive } from '../add/archives.ts'
import { nameFromUrl } from '../add/downloads.ts'
import { type GitReference, parseGitReference } from '../add/git-reference.ts'
import { readIgnore } from '../context/ignore.ts'
import type { CopyInstruction, Instruction } from '../dockerfile/instruction.ts'
import { syntaxError } from '../dockerfile/place.ts'
import { bytesContent } from '../image/content.ts'
import type { FileEntry, Files } from '../image/file-entry.ts'
import { FileTree } from '../image/file-tree.ts'
import type { Expand } from '../variables.ts'
import type { Copy } from './copy-files.ts'
import { CONTEXT, type CopySource, type Found, findSources } from './find-sources.ts'
import { readMode } from './mode.ts'
import { readOwner, type UserDatabase } from './owner.ts'

/** Where an instruction COPY or ADD stands. */
export interface CopyScope {
  readonly expand: Expand
  readonly context: Files
  readonly filesOf: (from: string) => Promise<Files>
  readonly users: UserDatabase
  readonly workingDir: string
  readonly adds: AddSources
  readonly signal: AbortSignal
}

type CopyAt = Instruction & CopyInstruction

/** What a COPY or ADD means at its place in a stage: words expanded, addresses fetched, archives read. Throws DOCKERFILE_*, BUILD_*. */
export async function makeCopy(instruction: CopyAt, scope: CopyScope): Promise<Copy> {
  const { place, chown, chmod, excludes } = instruction
  const { expand, workingDir, users } = scope
  const word = (text: string) => expand.one(text, place)
  const [owner, mode] = [word(chown ?? ''), word(chmod ?? '')]
  const sources: CopySource[] = []
  for (const source of instruction.sources) sources.push(await sourceOf(word(source), instruction, scope))
  const destination = word(instruction.destination)
  return {
    place,
    sources,
    texts: instruction.files.map((file) => ({
      name: file.name,
      entry: textEntry(file.expand ? expand.text(file.content, place) : file.content),
    })),
    destination: destination.startsWith('/') ? destination : `${workingDir}/${destination}`,
    owner: owner === '' ? null : await readOwner(owner, users, place),
    mode: mode === '' ? null : readMode(mode, place),
    excluded: exclusions(excludes),
    parents: instruction.parents,
    archiveOf: await archivesOf(sources, instruction, scope),
  }
}

async function sourceOf(path: string, instruction: CopyAt, scope: CopyScope): Promise<CopySource> {
  const { kind, place, from, checksum, keepGitDir } = instruction
  const reference = parseGitReference(path, place)
  const isAddress = reference !== null || /^https?:\/\//i.test(path)
  if (isAddress && kind === 'copy') {
    const hint = 'COPY takes files of the context only; ADD takes addresses.'
    throw syntaxError(place, `COPY cannot take ${shown(path)}`, hint)
  }
  if (keepGitDir && reference === null) throw noUse(instruction, '--keep-git-dir', 'a git reference')
  if (checksum !== null && !isAddress) throw noUse(instruction, '--checksum', 'an address')
  if (isAddress) return addressSource(path, reference, instruction, scope)
  const files = from === null ? scope.context : await scope.filesOf(from)
  return { from: { files, name: from ?? CONTEXT }, path, literal: false }
}

async function addressSource(
  path: string,
  reference: GitReference | null,
  { checksum, place }: CopyAt,
  { expand, adds, signal }: CopyScope,
): Promise<CopySource> {
  const wanted = checksum === null ? null : expand.one(checksum, place)
  if (reference === null) {
    const name = nameFromUrl(path)
    const tree = new FileTree()
    tree.set(name, await adds.download(path, wanted, place, signal))
    return { from: { files: tree, name: shown(path) }, path: name, literal: true }
  }
  const commit = wanted ?? reference.commit
  const files = await adds.git({ ...reference, commit, ref: reference.ref ?? commit }, place, signal)
  return { from: { files, name: shown(path) }, path: '', literal: true }
}

/** An address without user information and query (A10). */
const shown = (source: string): string =>
  source
    .replace(/\/\/[^/@]*@/, '//')
    .replace(/\?.*$/s, '')
    .slice(0, 200)

function noUse({ kind, place }: CopyAt, flag: string, what: string) {
  return syntaxError(place, `${flag} is for ${what} only`, `Leave ${flag} out of this ${kind.toUpperCase()}.`)
}

/** Patterns of `--exclude`, from each source folder on. One with a slash in front matches nothing (BuildKit's rule). */
function exclusions(patterns: readonly string[]): Copy['excluded'] {
  const lines = patterns.filter((pattern) => !/^!?\//.test(pattern))
  return readIgnore(lines.length === 0 ? null : lines.join('\n'))
}

/** What ADD unpacks: local archives unless `--unpack=false`, those of addresses with `--unpack` only. */
async function archivesOf(
  sources: readonly CopySource[],
  { kind, place, unpack }: CopyAt,
  { adds, signal }: CopyScope,
): Promise<Copy['archiveOf']> {
  const archives = new Map<Files, Map<string, Archive>>()
  for (const source of kind === 'add' ? sources : []) {
    if (!(unpack ?? !source.literal)) continue
    for (const { files, path } of findSources(source, place)) {
      const entry = files.at(path)
      const archive = entry?.type === 'file' ? await adds.archive(entry.content, path, place, signal) : null
      if (archive === null) continue
      const known = archives.get(files) ?? new Map<string, Archive>()
      archives.set(files, known.set(path, archive))
    }
  }
  return ({ files, path }: Found) => archives.get(files)?.get(path) ?? null
}

function textEntry(text: string): FileEntry {
  const content = bytesContent(Buffer.from(text))
  return { type: 'file', uid: 0, gid: 0, mode: 0o644, mtime: 'content', content }
}
