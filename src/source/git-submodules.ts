import { join, posix } from 'node:path'
import { DeployError } from '../model/failure.ts'
import type { Gitlink } from './git-checkout.ts'
import type { GitProgram } from './git-program.ts'
import { parseGitUrl } from './git-url.ts'
import type { ResolvedSource } from './source.ts'

export interface SubmoduleCheckout {
  readonly git: GitProgram
  readonly source: ResolvedSource
  readonly into: string
  readonly links: readonly Gitlink[]
  /** The text of .gitmodules in the commit. */
  readonly modules: string
  /** URLs of the repositories around this one, outermost first. */
  readonly parents: readonly string[]
}

const DEEPEST = 8

/** Lays each submodule of a commit into its folder. Its URL is checked like a user's, and never leads to a path of this machine (A3). */
export async function checkOutSubmodules(
  checkout: SubmoduleCheckout,
  signal: AbortSignal,
  lay: (url: string, commit: string, folder: string) => Promise<void>,
): Promise<void> {
  const { source, links, into, parents } = checkout
  if (parents.length >= DEEPEST) throw refused(source, 'submodules', `are nested more than ${DEEPEST} deep`)
  const urls = await submoduleUrls(checkout, signal)
  for (const { path, commit } of links) {
    const url = urls.get(path)
    if (url === undefined) throw refused(source, path, 'is a submodule without a URL in .gitmodules')
    await lay(submoduleUrl(source, path, url), commit, join(into, path))
  }
}

/** The URL of a submodule, made absolute against its parent's (`../lib.git`). Throws SOURCE_URL_INVALID. */
export function submoduleUrl(source: { readonly url: string }, path: string, url: string): string {
  const absolute = /^\.{1,2}\//.test(url) ? againstParent(source.url, url) : url
  if (parseGitUrl(absolute).kind === 'remote') return absolute
  throw new DeployError(
    'SOURCE_URL_INVALID',
    `the submodule ${JSON.stringify(path.slice(0, 200))} leads to a path of this machine`,
    {
      hint: 'A repository may name submodules by https and ssh URLs only.',
    },
  )
}

function againstParent(parent: string, relative: string): string {
  const [, start = '', path = ''] = /^(https:\/\/[^/]+|ssh:\/\/[^/]+|[^/:]+:|)(.*)$/s.exec(parent) ?? []
  const joined = posix.join(path, relative)
  return joined.startsWith('..') || (path.startsWith('/') && joined === '/') ? '' : `${start}${joined}`
}

async function submoduleUrls(checkout: SubmoduleCheckout, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const { git, source, modules } = checkout
  const call = { url: source.url, doing: 'reading .gitmodules', input: modules }
  const list = await git.call(['config', '--no-includes', '--file', '-', '--list', '-z'], call, signal)
  const paths = new Map<string, string>()
  const urls = new Map<string, string>()
  for (const item of list.split('\0')) {
    const [, name, key, value] = /^submodule\.(.+)\.(path|url)\n(.*)$/s.exec(item) ?? []
    if (name === undefined || value === undefined) continue
    if (key === 'path') paths.set(value, name)
    else urls.set(name, value)
  }
  return new Map([...paths].flatMap(([path, name]) => (urls.has(name) ? [[path, urls.get(name) ?? '']] : [])))
}

function refused(source: ResolvedSource, path: string, why: string): DeployError {
  return new DeployError('SOURCE_PATH_INVALID', `${JSON.stringify(path.slice(0, 200))} of ${source.url} ${why}`, {
    hint: 'Correct .gitmodules, or leave submodules out (source.submodules: false).',
  })
}
