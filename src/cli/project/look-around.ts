import { createReadStream, type Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { ProjectFiles } from '../kinds/kind.ts'
import { isTelling } from '../kinds/find-kind.ts'

/** Folders that a package manager or a build writes, and those of version control. */
const NOT_SOURCES = new Set([
  'node_modules',
  'target',
  '__pycache__',
  'venv',
  '.venv',
  '.git',
  '.svn',
  '.gradle',
  '.idea',
])
/** Enough for what tells a kind; a folder with more is looked at in part. */
const MOST_FILES = 5000
const MOST_BYTES = 256 * 1024

/** Names of a project's files, and the text of those that tell its kind. Links are not followed; what cannot be read is left out. */
export async function lookAround(folder: string): Promise<ProjectFiles> {
  const names = await fileNames(folder)
  const texts: Record<string, string> = {}
  for (const name of names.filter(isTelling)) {
    const beginning = await readBeginning(join(folder, name))
    if (beginning !== null) texts[name] = beginning
  }
  return { names, texts }
}

/** Nearest to the root first. */
async function fileNames(folder: string): Promise<readonly string[]> {
  const names: string[] = []
  const waiting = ['']
  for (let at = waiting.shift(); at !== undefined && names.length < MOST_FILES; at = waiting.shift()) {
    const entries = await readdir(join(folder, at), { withFileTypes: true }).catch(() => [])
    const pathOf = ({ name }: Dirent) => (at === '' ? name : `${at}/${name}`)
    names.push(...entries.filter((entry) => entry.isFile()).map(pathOf))
    waiting.push(...entries.filter((entry) => entry.isDirectory() && !NOT_SOURCES.has(entry.name)).map(pathOf))
  }
  return names.sort()
}

/** The beginning of a large file tells as well: lock files say their form in the first line. */
async function readBeginning(path: string): Promise<string | null> {
  const chunks = createReadStream(path, { end: MOST_BYTES - 1 })
  return text(chunks).catch(() => null)
}
