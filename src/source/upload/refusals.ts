import { DeployError } from '../../model/failure.ts'
import type { RunResult } from '../../os/run.ts'
import type { Gitlink } from '../git-checkout.ts'
import { gitFailure } from '../git-failure.ts'
import { withoutUserInfo } from '../git-url.ts'
import type { ResolvedSource } from '../source.ts'
import type { Intake } from './intake.ts'

/** What git's checks call the names and trees that attack whoever lays them out (git-fsck(1), "FSCK MESSAGES"). */
const EVIL_NAMES = /^error: object \w+: (hasDot|fullPathname|emptyName|duplicateEntries|treeNotSorted|gitmodules)/m

/** How a sender calls its repository, as it may be shown: without user information and control characters. */
export function shownName(url: string): string {
  const name = withoutUserInfo(url)
    .replace(/\p{Cc}/gu, ' ')
    .trim()
    .slice(0, 300)
  return name === '' ? 'a repository elsewhere' : name
}

/** Why git did not take in what was sent. */
export function refusedPack(commit: string, { stderr, timedOut }: RunResult, intake: Intake, limitMs: number): unknown {
  const short = commit.slice(0, 12)
  if (intake.end === 'too-large') return tooLarge(short, intake)
  const told = gitFailure(stderr, `what was sent of ${short}`, 'taking it in', timedOut ? limitMs : null)
  if (told instanceof DeployError && (told.code === 'DISK_FULL' || timedOut)) return told
  if (intake.end === 'cut') return cut(short, intake)
  const finding = /^error: (.*)$/m.exec(stderr)?.[1] ?? /^fatal: (.*)$/m.exec(stderr)?.[1] ?? 'git does not say why'
  const said = finding.replace(/\p{Cc}/gu, ' ').slice(0, 200)
  if (EVIL_NAMES.test(stderr)) {
    return new DeployError(
      'SOURCE_PATH_INVALID',
      `the commit ${short} has a file name that must not be there: ${said}`,
      {
        hint: 'Nothing was kept. Rename or remove that file; such names are used to attack whoever checks them out.',
        detail: { said },
      },
    )
  }
  return invalid(`what was sent of ${short} is damaged or no git pack: ${said}`, { said })
}

/** The pack was sound, and the commit is not in it or lacks something. */
export function notTheCommit(commit: string, said: string): DeployError {
  const short = commit.slice(0, 12)
  return said === ''
    ? invalid(`what was sent does not have the commit ${short}`, {})
    : invalid(`what was sent of ${short} is not all of it: ${said}`, { said })
}

/** The commit was never sent, or is no longer kept. */
export const notSent = (commit: string, url: string): DeployError =>
  new DeployError('SOURCE_FETCH_FAILED', `the commit ${commit.slice(0, 12)} of ${url} is not on the server`, {
    hint: 'Run the same command again: it is sent anew.',
  })

/** A commit is sent without its submodules, whose addresses may mean nothing here. */
export const submodulesNotSent = ({ url }: ResolvedSource, links: readonly Gitlink[]): DeployError =>
  new DeployError(
    'SOURCE_UPLOAD_INVALID',
    `${url} has submodules (${links[0]?.path.slice(0, 100)}), and a commit is sent without them`,
    {
      hint: 'Name the repository in naru.yaml, so that the server fetches it: source: { git: URL, submodules: true }; or deploy without them.',
      detail: { submodules: links.length },
    },
  )

const tooLarge = (short: string, { maxBytes }: Intake) =>
  new DeployError('SOURCE_TOO_LARGE', `what was sent of ${short} has more than the ${maxBytes} bytes that are taken`, {
    hint: 'Nothing was kept. Take large files out of the repository, or name it in naru.yaml: source: { git: URL }.',
    detail: { maxBytes },
  })

const cut = (short: string, { bytes }: Intake) =>
  invalid(`the connection ended after ${bytes} bytes of ${short}`, { bytes })

const invalid = (message: string, detail: Readonly<Record<string, string | number>>) =>
  new DeployError('SOURCE_UPLOAD_INVALID', message, {
    hint: 'Nothing was kept. Check the repository with git fsck, and run the same command again.',
    detail,
  })
