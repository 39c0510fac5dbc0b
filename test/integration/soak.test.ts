import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const exec = promisify(execFile)
const SOAK = join(import.meta.dirname, '../bench/soak.ts')
const isRoot = process.getuid?.() === 0

/** `npm run soak` in small: the same program, with fewer rollouts and a rate that a busy machine can hold. */
describe.each(['userland', 'nftables'])('consecutive rollouts under load through %s', (router) => {
  it.skipIf(router === 'nftables' && !isRoot)(
    'lose no request of a client that is not ours (nftables: as root only)',
    async () => {
      const args = [SOAK, '--quiet', '--rollouts', '3', '--requests', '3000', '--rate', '300', '--router', router]
      const { stdout } = await exec(process.execPath, args, { timeout: 170_000 })
      const result = JSON.parse(stdout) as Record<string, number>
      expect(result).toMatchObject({ rollouts: 3, lost: 0, lostInReceipts: 0, cut: 0 })
      expect(result.answered).toBe(result.sent)
      expect(result.sent).toBeGreaterThanOrEqual(2900)
      // Half of the requests are sent on new connections, and some kept ones have to be opened.
      expect(result.sentOnNew).toBeGreaterThanOrEqual(Math.floor((result.sent ?? 0) / 2))
    },
    180_000,
  )
})
