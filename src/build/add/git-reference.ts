import { type Place, syntaxError } from '../dockerfile/place.ts'

/** A git repository as a source of ADD: `https://host/repo.git#ref:folder`, `git@host:repo.git`, `ssh://…`, `git://…`. */
export interface GitReference {
  readonly url: string
  /** Branch, tag or commit; null: the default branch. */
  readonly ref: string | null
  /** Folder of the repository; '' is the whole. */
  readonly folder: string
  /** The commit that it must be, or begin with; null: not said. */
  readonly commit: string | null
}

const QUERY = ['ref', 'tag', 'branch', 'commit', 'checksum', 'subdir', 'keep-git-dir', 'submodules'] as const

/** Reads a source of ADD as git reference by BuildKit's rules (docs: "Adding files from a Git repository"); null: it is none. Throws DOCKERFILE_SYNTAX. */
export function parseGitReference(source: string, place: Place): GitReference | null {
  const [address = '', fragment = ''] = splitOnce(source, '#')
  const [plain = '', query = ''] = /^https?:/i.test(address) ? splitOnce(address, '?') : [address]
  if (!isGit(plain)) return null
  const values = queryOf(query, place)
  const [ref = '', folder = ''] = splitOnce(fragment, ':')
  const asked = [...new Set(['ref', 'tag', 'branch'].flatMap((key) => values.get(key) ?? []))]
  const given = [...asked, ...(ref === '' ? [] : [ref])]
  if (given.length > 1) throw wrong(place, `names several revisions: ${given.join(', ')}`)
  const inside = [values.get('subdir') ?? '', folder].filter((part) => part !== '')
  if (inside.length > 1) throw wrong(place, `names several folders: ${inside.join(', ')}`)
  const commit = values.get('commit') ?? values.get('checksum') ?? null
  return { url: plain, ref: given[0] ?? commit, folder: cleanFolder(inside[0] ?? '', place), commit }
}

function isGit(address: string): boolean {
  if (/^(?:git|ssh):\/\//i.test(address)) return true
  if (/^https?:\/\//i.test(address)) return /\.git$/.test(address)
  return /^[A-Za-z0-9_][A-Za-z0-9._+-]*@[^/:]+:[^/].*$/.test(address) || /^git@[^/:]+:.+$/.test(address)
}

function queryOf(query: string, place: Place): ReadonlyMap<string, string> {
  const values = new Map(new URLSearchParams(query))
  const other = [...values.keys()].find((key) => !QUERY.some((known) => known === key))
  if (other !== undefined)
    throw wrong(place, `has ${JSON.stringify(other)} in its query; known are ${QUERY.join(', ')}`)
  return values
}

function cleanFolder(folder: string, place: Place): string {
  const parts = folder.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw wrong(place, `has ".." in its folder`)
  return parts.join('/')
}

function splitOnce(text: string, at: string): [string, string] | [string] {
  const index = text.indexOf(at)
  return index < 0 ? [text] : [text.slice(0, index), text.slice(index + 1)]
}

const wrong = (place: Place, problem: string) =>
  syntaxError(place, `the git reference ${problem}`, 'Write ADD https://host/repository.git#ref:folder DESTINATION.')
