import { diskFull } from '../model/disk-full.ts'
import { DeployError, type FailureCode } from '../model/failure.ts'
import { withoutUserInfo } from './git-url.ts'

interface Cause {
  readonly said: RegExp
  readonly code: FailureCode
  readonly message: (url: string) => string
  readonly hint: string
}

/** What git says (LC_ALL=C) and what it means; the first that fits. Messages of git 2.32 to 2.50, curl and OpenSSH. */
const CAUSES: readonly Cause[] = [
  {
    said: /cannot run ssh|unable to find remote helper/i,
    code: 'SOURCE_TOOL_MISSING',
    message: (url) => `a program that git needs for ${url} is not installed`,
    hint: 'Install ssh (openssh-client) for ssh URLs, git-remote-https (git with curl) for https URLs.',
  },
  {
    said: /Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED/i,
    code: 'SOURCE_AUTH_FAILED',
    message: (url) => `the host key of ${url} is not known, or is another than before`,
    hint: 'Compare its fingerprint with the one that its owner publishes, then add it to ~/.ssh/known_hosts.',
  },
  {
    said: /Authentication failed|could not read (Username|Password)|terminal prompts disabled|Permission denied|returned error: 40[13]|HTTP 40[13]|Access denied|Too many authentication failures/i,
    code: 'SOURCE_AUTH_FAILED',
    message: (url) => `${url} refused the credentials, or wants some`,
    hint: 'Try it by hand with: git ls-remote URL. For https set a credential helper (git config credential.helper), for ssh a key in the agent or ~/.ssh.',
  },
  {
    said: /not our ref|unadvertised object|couldn't find remote ref/i,
    code: 'SOURCE_REF_NOT_FOUND',
    message: (url) => `${url} does not have that commit`,
    hint: 'Has it been pushed?',
  },
  {
    said: /dubious ownership|unsafe repository/i,
    code: 'SOURCE_AUTH_FAILED',
    message: (url) => `git does not trust ${url}: it belongs to another user`,
    hint: 'If you trust it: git config --global --add safe.directory FOLDER.',
  },
  {
    said: /Repository not found|repository .*not found|does not appear to be a git repository|not a git repository|returned error: 404|does not exist/i,
    code: 'SOURCE_NOT_FOUND',
    message: (url) => `there is no git repository at ${url}`,
    hint: 'Check the URL or path; a private repository is often told as missing to whoever may not read it.',
  },
  {
    said: /transport '.*' not allowed|protocol .*(not supported|disabled)/i,
    code: 'SOURCE_URL_INVALID',
    message: (url) => `${url} leads to a protocol that is not allowed`,
    hint: 'Only https and ssh are used, also after a redirect.',
  },
  {
    said: /invalid path|fsck error|hasDot|File name too long|disallowed submodule|is beyond a symbolic link|duplicateEntries|treeNotSorted/i,
    code: 'SOURCE_PATH_INVALID',
    message: (url) => `the commit of ${url} has a file name that must not be there`,
    hint: 'Rename or remove that file in the repository; such names are used to attack whoever checks it out.',
  },
  {
    said: /unable to read (sha1 file|[0-9a-f]{40})|missing (blob|tree)|bad object|could not get object|inflate|packfile .* (is far too short|cannot be accessed|does not match)/i,
    code: 'SOURCE_FETCH_FAILED',
    message: (url) => `objects of ${url} are missing or damaged`,
    hint: 'Look with: git fsck. A partial clone lacks files on purpose: give the URL that it was cloned from.',
  },
  {
    said: /file was checked out as|unable to create (file|symlink)|cannot create directory/i,
    code: 'SOURCE_PATH_INVALID',
    message: (url) => `a file of ${url} cannot be written on this machine`,
    hint: 'The file system refuses its name or kind; see the detail.',
  },
]

/** The failure of a git command as something a person can act on. `doing`: "fetching 9f2c1ab". Credentials are never in it. */
export function gitFailure(stderr: string, url: string, doing: string, timedOutMs: number | null): unknown {
  const said = lastWords(stderr)
  if (saysNoSpace(stderr)) {
    return diskFull(Object.assign(new Error(said), { code: 'ENOSPC' }), `${doing} from ${url}`)
  }
  if (timedOutMs !== null) {
    return new DeployError('SOURCE_FETCH_FAILED', `${url} did not finish within ${timedOutMs / 1000} s (${doing})`, {
      hint: 'Check the network and try again; what was fetched completely is kept.',
      detail: { said, timeoutMs: timedOutMs },
    })
  }
  const cause = CAUSES.find((one) => one.said.test(stderr))
  if (cause !== undefined) {
    return new DeployError(cause.code, cause.message(url), { hint: cause.hint, detail: { said } })
  }
  return new DeployError('SOURCE_FETCH_FAILED', `git failed while ${doing} from ${url}: ${said || 'it said nothing'}`, {
    hint: 'Try it by hand with: git ls-remote URL. Nothing was changed.',
    detail: { said },
  })
}

/** Whether git says that the disk is full: in the words of the system, or of its own. */
export const saysNoSpace = (stderr: string): boolean =>
  /No space left on device|Out of diskspace|Disk quota exceeded/i.test(stderr)

/** The last lines that git said, without control characters (A16) and credentials. */
function lastWords(stderr: string): string {
  const lines = withoutUserInfo(stderr)
    .split(/[\r\n]+/)
    .map((line) => line.replace(/\p{Cc}/gu, ' ').trim())
    .filter((line) => line !== '')
  return lines.slice(-4).join(' | ').slice(-600)
}
