import { DeployError } from './failure.ts'

const FULL = new Set(['ENOSPC', 'EDQUOT'])

/** DISK_FULL when that is why a write failed; otherwise what was thrown. `doing`: "writing a layer to /var/lib/naru". */
export function diskFull(thrown: unknown, doing: string): unknown {
  const code = (thrown as { code?: unknown } | null)?.code
  if (typeof code !== 'string' || !FULL.has(code)) return thrown
  return new DeployError('DISK_FULL', `no space left while ${doing}`, {
    hint: 'Nothing was changed. Free some space (naru image prune, df -h), then run the same command again.',
    cause: thrown,
  })
}
