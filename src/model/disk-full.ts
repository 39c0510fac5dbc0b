import { DeployError } from './failure.ts'

const FULL = new Set(['ENOSPC', 'EDQUOT'])

/**
 * DISK_FULL when that is why a write failed; otherwise what was thrown. `doing`: "storing sha256:…"; `place`: the file or folder
 * that was written to, so that its file system can be found, where neither `doing` nor what was thrown names it.
 */
export function diskFull(thrown: unknown, doing: string, place?: string): unknown {
  const { code, path } = (thrown ?? {}) as { readonly code?: unknown; readonly path?: unknown }
  if (typeof code !== 'string' || !FULL.has(code)) return thrown
  const where = place ?? (typeof path === 'string' ? path : null)
  const isNamed = where === null || doing.includes(where)
  return new DeployError('DISK_FULL', `no space left while ${doing}${isNamed ? '' : ` in ${where}`}`, {
    hint: freeSpace(where),
    cause: thrown,
  })
}

/** Whether something failed so. */
export const isDiskFull = (failed: unknown): boolean => failed instanceof DeployError && failed.code === 'DISK_FULL'

/** What to do on a full disk: `where` is a file or folder of it. */
export const freeSpace = (where: string | null): string =>
  `Nothing was changed. Free some space on that file system (df -h${where === null ? '' : ` ${where}`}), then run the same command again. ` +
  'What builds keep goes by: naru image prune --all; what no tag or release needs of a registry by: naru registry gc. ' +
  'Images go with their releases: a smaller rollout.revisionHistoryLimit keeps fewer.'
