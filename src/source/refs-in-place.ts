import { constants } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isCommitId } from './git-ref.ts'
import type { LocalRepository } from './git-local.ts'
import { formatOf } from './git-mirror.ts'

/** A symbolic ref may name another one; git follows as many. */
const MOST_STEPS = 5
/** A name, or an id. */
const MOST_REF_BYTES = 8 * 1024
/** Some 100 bytes for each ref. */
const MOST_PACKED_BYTES = 64 * 2 ** 20

/**
 * The commit of a ref of a repository whose files are as nearly all are (gitrepository-layout(5): one folder, refs as files
 * or in `packed-refs`), without starting git. null: git has to be asked: for any other layout, for tags, which name their
 * commits in their own way, and for what is not there.
 */
export async function readInPlace(folder: string, ref: string | null): Promise<LocalRepository | null> {
  const gitDir = await gitDirOf(folder)
  if (gitDir === null) return null
  const objects = join(gitDir, 'objects')
  if (ref !== null && isCommitId(ref)) return { objects, format: formatOf(ref), refs: [] }
  const refs = new Refs(gitDir)
  if (ref !== null && ref !== 'HEAD' && !ref.startsWith('refs/heads/')) {
    // A tag of that name would mean another commit.
    if (ref.startsWith('refs/') || (await refs.at(`refs/tags/${ref}`, 0)) !== null) return null
  }
  const name = ref === null || ref === 'HEAD' ? 'HEAD' : ref.startsWith('refs/') ? ref : `refs/heads/${ref}`
  const commit = await refs.at(name, 0)
  return commit === null ? null : { objects, format: formatOf(commit), refs: [{ name, commit }] }
}

/** `.git`, or the folder itself when it is bare; null: it is neither, or one of several work trees. */
async function gitDirOf(folder: string): Promise<string | null> {
  const inside = join(folder, '.git')
  const kind = await kindOf(inside)
  if (kind === 'file') return null
  const gitDir = kind === null ? folder : inside
  const [objects, common] = await Promise.all(['objects', 'commondir'].map((name) => kindOf(join(gitDir, name))))
  return objects === 'folder' && common === null ? gitDir : null
}

async function kindOf(path: string): Promise<'folder' | 'file' | null> {
  const found = await stat(path).catch(() => null)
  return found === null ? null : found.isDirectory() ? 'folder' : 'file'
}

class Refs {
  readonly #gitDir: string
  #packed: Promise<string> | null = null

  constructor(gitDir: string) {
    this.#gitDir = gitDir
  }

  /** What a ref leads to; null: nothing that can be told from files. */
  async at(name: string, step: number): Promise<string | null> {
    const text = (await readText(join(this.#gitDir, name), MOST_REF_BYTES))?.trimEnd() ?? (await this.#packedAt(name))
    if (text === null || isCommitId(text)) return text
    const next = /^ref: (refs\/[^\0\n]+)$/.exec(text)?.[1]
    return next === undefined || next.split('/').includes('..') || step === MOST_STEPS ? null : this.at(next, step + 1)
  }

  /** A line of `packed-refs`: `<id> <name>`. */
  async #packedAt(name: string): Promise<string | null> {
    this.#packed ??= readText(join(this.#gitDir, 'packed-refs'), MOST_PACKED_BYTES).then((text) => `\n${text ?? ''}`)
    const packed = await this.#packed
    const at = packed.indexOf(` ${name}\n`)
    return at < 0 ? null : packed.slice(packed.lastIndexOf('\n', at) + 1, at)
  }
}

/** null: it is no file, or larger than any such file. A pipe or a device that was put there is not waited for. */
async function readText(path: string, mostBytes: number): Promise<string | null> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => null)
  if (handle === null) return null
  try {
    const found = await handle.stat()
    return found.isFile() && found.size <= mostBytes ? await handle.readFile('utf8') : null
  } catch {
    return null
  } finally {
    await handle.close()
  }
}
