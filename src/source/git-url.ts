import { DeployError } from '../model/failure.ts'

/** Where a repository is, checked: nothing in it can be read as an option, a transport helper or a shell's word. */
export type GitPlace =
  | { readonly kind: 'local'; readonly path: string; readonly url: string }
  | {
      readonly kind: 'remote'
      readonly protocol: 'https' | 'ssh'
      /** What git is given, and what people and records see: without user information (https) or password (ssh). */
      readonly url: string
      /** `user:password` of an https URL. It goes to git by the environment, never by an argument. */
      readonly userInfo: string | null
    }

const HOST = '(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?|\\[[0-9A-Fa-f:.]{2,45}\\])'
const USER = '[A-Za-z0-9_][A-Za-z0-9._+-]{0,63}'
const SSH = new RegExp(`^ssh://(?:${USER}@)?${HOST}(?::[0-9]{1,5})?/.+$`)
const SSH_WITH_PASSWORD = /^ssh:\/\/[^/@]*:[^/]*@/
/** `git@host:team/shop.git`: a colon before the first slash (git-fetch(1), "GIT URLS"). The path is no option of the other side. */
const SCP_LIKE = new RegExp(`^(?:${USER}@)?${HOST}:(?!-)[^:].*$`)
const HELPER = /^[A-Za-z0-9+.-]+::/
const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}]/u

/** Reads an https or ssh URL, `user@host:path`, or an absolute path of this machine. Throws SOURCE_URL_INVALID (A1, A2). */
export function parseGitUrl(text: string): GitPlace {
  if (text === '' || text.length > 2048 || UNPRINTABLE.test(text)) {
    throw invalid(text, 'is empty, too long, or has unprintable characters')
  }
  if (text.startsWith('-')) throw invalid(text, 'looks like an option')
  if (text.startsWith('/')) return { kind: 'local', path: text, url: text }
  if (HELPER.test(text)) throw invalid(text, 'names a transport helper, which could start any program')
  const scheme = SCHEME.exec(text)?.[1]
  if (scheme === undefined) return scpLike(text)
  if (scheme === 'https') return https(text)
  if (scheme === 'ssh') return ssh(text)
  throw invalid(text, `uses the protocol ${scheme.slice(0, 20)}, which is not allowed`)
}

function scpLike(text: string): GitPlace {
  if (/^\.{1,2}(\/|$)/.test(text) || !text.includes(':')) throw invalid(text, 'is a relative path')
  if (!SCP_LIKE.test(text)) throw invalid(text, 'is no user@host:path')
  return { kind: 'remote', protocol: 'ssh', url: text, userInfo: null }
}

function ssh(text: string): GitPlace {
  if (SSH_WITH_PASSWORD.test(text)) throw invalid(text, 'has a password, which ssh does not take from a URL')
  if (!SSH.test(text)) throw invalid(text, 'is no ssh://user@host/path')
  return { kind: 'remote', protocol: 'ssh', url: text, userInfo: null }
}

function https(text: string): GitPlace {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw invalid(text, 'is no URL')
  }
  if (text.includes('#'))
    throw invalid(text, 'has a fragment: write the revision under `ref`, the folder under `build`')
  if (text.includes('?')) throw invalid(text, 'has a query')
  if (/[\s\\]/.test(text) || !new RegExp(`^${HOST}$`).test(url.hostname) || url.pathname === '/') {
    throw invalid(text, 'is no https://host/path')
  }
  const userInfo = url.username === '' && url.password === '' ? null : decodeUserInfo(url, text)
  url.username = ''
  url.password = ''
  return { kind: 'remote', protocol: 'https', url: url.href, userInfo }
}

function decodeUserInfo(url: URL, text: string): string {
  try {
    const userInfo = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
    if (!UNPRINTABLE.test(userInfo)) return userInfo
  } catch {
    // Falls through to the same answer: the percent signs are wrong.
  }
  throw invalid(text, 'has user information that cannot be decoded')
}

/** A URL as it may be shown: whatever stands before an @ is left out, also where the URL is wrong. */
export function withoutUserInfo(text: string): string {
  return text.replace(/([A-Za-z][A-Za-z0-9+.-]*:\/\/)[^/\s]*@/g, '$1')
}

function invalid(text: string, why: string): DeployError {
  return new DeployError(
    'SOURCE_URL_INVALID',
    `the source ${JSON.stringify(withoutUserInfo(text).slice(0, 200))} ${why}`,
    {
      hint: 'Write an https:// or ssh:// URL, user@host:path, or an absolute path of this machine.',
    },
  )
}
