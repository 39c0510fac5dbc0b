import { nearest } from '../lib/nearest.ts'
import { DeployError } from '../model/failure.ts'

/** A name of a repository and the commit that it leads to (tags are peeled). */
export interface GitRef {
  /** In full: `refs/heads/main`, or HEAD. */
  readonly name: string
  readonly commit: string
}

/** What a ref means: a commit of these refs, or a commit id that has yet to be looked up. */
export type Meaning =
  | { readonly kind: 'commit'; readonly commit: string }
  | { readonly kind: 'short'; readonly prefix: string }
  | { readonly kind: 'unknown' }

const FULL_ID = /^([0-9a-f]{40}|[0-9a-f]{64})$/
const SHORT_ID = /^[0-9a-f]{4,63}$/
// git-check-ref-format(1), and no leading dash: a ref is never an option (A2).
const FORBIDDEN = [
  /^-/,
  /[\p{Cc} ~^:?*[\\\u007f]/u,
  /\.\./,
  /@\{/,
  /^@$/,
  /(^|\/)\./,
  /\.lock(\/|$)/,
  /\/\/|^\/|\/$|\.$/,
]

/** Whether a text is a full commit id (SHA-1 or SHA-256). */
export const isCommitId = (text: string): boolean => FULL_ID.test(text)

/** The ref when it may be the name of a branch, tag or commit; else SOURCE_REF_INVALID. */
export function checkRef(ref: string): string {
  if (ref !== '' && Buffer.byteLength(ref) <= 255 && !FORBIDDEN.some((rule) => rule.test(ref))) return ref
  const shown = JSON.stringify(ref.slice(0, 80))
  throw new DeployError(
    'SOURCE_REF_INVALID',
    `${shown} ${ref.startsWith('-') ? 'looks like an option, not a ref' : 'cannot be a ref'}`,
    {
      hint: 'Give the name of a branch or tag, or a commit id. Expressions such as HEAD~1 are not refs.',
    },
  )
}

/** The full names that a ref may stand for, best first. */
export function refCandidates(ref: string): readonly string[] {
  if (ref === 'HEAD' || ref.startsWith('refs/')) return [ref]
  return [`refs/heads/${ref}`, `refs/tags/${ref}`, `refs/remotes/${ref}`]
}

/**
 * Decides what a checked ref means. A full id is always a commit; then branch and tag (both, with different commits: refused,
 * since git itself answers differently from command to command), then the remote-tracking branch of a local clone.
 */
export function meaningOf(ref: string | null, refs: readonly GitRef[]): Meaning {
  if (ref !== null && isCommitId(ref.toLowerCase())) return { kind: 'commit', commit: ref.toLowerCase() }
  const byName = new Map(refs.map(({ name, commit }) => [name, commit]))
  const found = refCandidates(ref ?? 'HEAD').flatMap((name) => byName.get(name) ?? [])
  const [branch, tag] = ref === null ? [] : [byName.get(`refs/heads/${ref}`), byName.get(`refs/tags/${ref}`)]
  if (branch !== undefined && tag !== undefined && branch !== tag) throw ambiguous(ref ?? '')
  if (found[0] !== undefined) return { kind: 'commit', commit: found[0] }
  if (ref !== null && SHORT_ID.test(ref.toLowerCase())) return { kind: 'short', prefix: ref.toLowerCase() }
  return { kind: 'unknown' }
}

/** SOURCE_REF_NOT_FOUND with the nearest names of branches and tags. */
export function refNotFound(ref: string | null, url: string, refs: readonly GitRef[]): DeployError {
  const names = refs.flatMap(({ name }) => /^refs\/(?:heads|tags)\/(.+)$/.exec(name)?.[1] ?? [])
  if (ref === null) {
    return new DeployError('SOURCE_REF_NOT_FOUND', `${url} has no default branch with a commit`, {
      hint: names.length === 0 ? 'Commit something first.' : `Name a branch, for example ${names[0]}.`,
    })
  }
  const near = nearest(ref, names)
  const some = near === undefined ? listed(names) : `Did you mean ${near}?`
  return new DeployError(
    'SOURCE_REF_NOT_FOUND',
    `${url} has no branch, tag or commit ${JSON.stringify(ref.slice(0, 80))}`,
    {
      hint: some,
      detail: { ref, ...(near === undefined ? {} : { nearest: near }) },
    },
  )
}

/** SOURCE_REF_INVALID for a short id that several commits share. */
export function shortIdAmbiguous(prefix: string, url: string): DeployError {
  return new DeployError('SOURCE_REF_INVALID', `${prefix} is the start of several commit ids of ${url}`, {
    hint: 'Give more digits of the commit id.',
  })
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return 'The repository has no branches and no tags.'
  const more = names.length > 5 ? ` and ${names.length - 5} more` : ''
  return `It has ${names.slice(0, 5).join(', ')}${more}. Has the commit been pushed?`
}

function ambiguous(ref: string): DeployError {
  return new DeployError('SOURCE_REF_INVALID', `${ref} is both a branch and a tag, and they are different commits`, {
    hint: `Write refs/heads/${ref} or refs/tags/${ref}.`,
  })
}
