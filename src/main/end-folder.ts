import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { goneWithin } from '../os/gone-within.ts'
import { type ProcessIdentity, signalProcess } from '../os/process-identity.ts'
import { systemClock } from '../os/system-clock.ts'
import { proberFiles } from '../probe/prober-files.ts'
import { dataPaths } from './data-folder.ts'
import { lockFolder } from './folder-lock.ts'
import { openPlace } from './open-place.ts'
import { readyFolder } from './ready-folder.ts'

/** Longer than a request of a prober may take. */
const PROBER_END_MS = 12_000

/**
 * Ends everything that runs from a data folder: replicas (killed after `graceMs`), the router with its kernel rules, the keeper,
 * and probers that a killed server left. What is remembered stays: a server that is started again starts the replicas again. A
 * keeper that was killed is replaced by one that adopts what runs, so that it can be ended. Throws SERVER_IN_USE while a
 * server works on the folder.
 */
export async function endFolder(folder: string, graceMs: number, signal: AbortSignal): Promise<void> {
  await readyFolder(folder)
  const paths = dataPaths(folder)
  const lock = lockFolder(paths.lock, folder)
  try {
    const opened = await openPlace(folder, signal)
    await opened.shutdown(graceMs, signal)
    await opened.close()
    await Promise.all((await probers(paths.probes)).map((prober) => endProber(prober, signal)))
  } finally {
    lock.release()
  }
}

/** It still writes its last lines. */
async function endProber(prober: ProcessIdentity, signal: AbortSignal): Promise<void> {
  if (!signalProcess(prober, 'SIGTERM') || (await goneWithin(prober, PROBER_END_MS, systemClock, signal))) return
  signalProcess(prober, 'SIGKILL')
}

async function probers(folder: string): Promise<ProcessIdentity[]> {
  const names = await readdir(folder).catch(() => [])
  const texts = names
    .filter((name) => name.endsWith(proberFiles('').identity))
    .map((name) => readFile(join(folder, name), 'utf8').catch(() => ''))
  return (await Promise.all(texts)).filter((text) => text !== '').map((text) => JSON.parse(text) as ProcessIdentity)
}
