import { readdir, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isAlive } from '../os/process-identity.ts'
import { proberFiles, readIdentity } from './prober-files.ts'

/** How many ledgers of finished rollouts stay beside the one that begins: their receipts are remembered elsewhere. */
const KEPT = 20

/** Deletes the oldest ledgers of the folder, and what belongs to them, unless a prober still writes them. */
export async function pruneLedgers(ledger: string): Promise<void> {
  const folder = dirname(ledger)
  const names = await readdir(folder)
  const owned = Object.values(proberFiles('')).filter((suffix) => suffix !== '')
  const ledgers = names.filter((name) => !name.startsWith('.') && !owned.some((suffix) => name.endsWith(suffix)))
  const dated = await Promise.all(
    ledgers
      .filter((name) => name !== basename(ledger))
      .map(async (name) => ({ path: join(folder, name), atMs: await changedAt(join(folder, name)) })),
  )
  const old = dated.sort((a, b) => b.atMs - a.atMs).slice(KEPT)
  for (const { path } of old) {
    const files = proberFiles(path)
    const prober = readIdentity(files.identity)
    if (prober !== null && isAlive(prober)) continue
    await Promise.all(Object.values(files).map((file) => rm(file, { force: true })))
  }
}

/** When a file changed last; 0: another start has just deleted it. */
const changedAt = async (path: string): Promise<number> => (await stat(path).catch(() => null))?.mtimeMs ?? 0
