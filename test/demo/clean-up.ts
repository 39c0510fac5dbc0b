import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { backoff } from '../../src/lib/backoff.ts'
import { endFolder } from '../../src/main/end-folder.ts'
import { systemClock } from '../../src/os/system-clock.ts'
import { removeTree } from '../../src/engines/embedded/roots/layers/remove-tree.ts'
import { type Found, leftovers, processesOf } from '../e2e/harness/leftovers.ts'
import { NARU } from './naru.ts'
import type { Story } from './story.ts'
import type { Surroundings } from './surroundings.ts'

const GRACE_MS = 1000
const END_MS = 30_000
/** How long what was ended may take to be gone. */
const GONE_MS = 10_000

/** Ends everything that the demo started, deletes its folder, and answers what is left all the same: one line each. */
export async function cleanUp(where: Surroundings, story: Story): Promise<string[]> {
  const { folder, data } = where
  const id = readId(data)
  const problems: string[] = []
  const attempt = async (what: string, work: () => unknown) => {
    try {
      await work()
    } catch (failed) {
      problems.push(`${what}: ${failed instanceof Error ? failed.message : String(failed)}`)
    }
  }
  await attempt('the demo’s own programs', () => story.end())
  await attempt('another server', () => endServers(data))
  if (id !== null)
    await attempt('replicas, router and keeper', () => endFolder(data, GRACE_MS, AbortSignal.timeout(END_MS)))
  await attempt('the folder', () => removeTree(folder))
  return [...problems, ...(await stillThere(folder, id ?? folder))]
}

/** A command that found no server starts one of its own: when ours crashed, there may be one that is not ours. */
async function endServers(data: string): Promise<void> {
  const isServer = ({ command }: Found) => command.includes(`${NARU} server --data ${data}`)
  const servers = processesOf(data).filter(isServer)
  for (const { pid } of servers) process.kill(pid, 'SIGTERM')
  for (const { pid } of servers) await until(() => !processesOf(data).some((found) => found.pid === pid))
}

/** The data folder's id, which every name in the kernel carries. null: no server ever opened it. */
function readId(data: string): string | null {
  const path = join(data, 'id')
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : null
}

async function stillThere(folder: string, id: string): Promise<string[]> {
  await until(() => leftovers(folder, id).length === 0)
  return leftovers(folder, id)
}

/** Waits until it is so, or for as long as what was ended may take. */
async function until(isSo: () => boolean): Promise<void> {
  const deadline = systemClock.monotonic() + GONE_MS
  for (const delayMs of backoff(20, 250)) {
    if (isSo() || systemClock.monotonic() > deadline) return
    await systemClock.sleep(delayMs, AbortSignal.timeout(END_MS))
  }
}
