import { spawn } from 'node:child_process'
import { dirname } from 'node:path'
import { backoff } from '../lib/backoff.ts'
import type { Clock } from '../lib/clock.ts'
import { makeFolder, writeFileAtomic } from '../os/atomic-file.ts'
import { identify, isAlive } from '../os/process-identity.ts'
import { LedgerRun } from './ledger-run.ts'
import type { Prober, ProberSpec } from './probe.ts'
import { proberFiles, readIdentity } from './prober-files.ts'
import { pruneLedgers } from './prune-ledgers.ts'

const START_MS = 10_000

/** How the prober's process is started. */
export interface ProberOptions {
  /** Program and first arguments of the prober's process, from main.ts. */
  readonly command: readonly string[]
  readonly clock: Clock
  /** How long its server may be away (killed, restarting) before nobody will read the ledger any more. Default 120,000. */
  readonly orphanMs?: number
}

/** The receipt's prober as a process of its own. */
export const proberProcess = ({ command, clock, orphanMs = 120_000 }: ProberOptions): Prober => ({
  async start(spec, servedBy, signal) {
    const launch = () => launchProber(command, spec, orphanMs)
    const { identity, owner } = proberFiles(spec.ledger)
    await makeFolder(dirname(spec.ledger), 0o700)
    await pruneLedgers(spec.ledger)
    await writeFileAtomic(owner, JSON.stringify(identify(process.pid)), 0o600)
    if (!isRunning(identity)) {
      const end = launch()
      try {
        await untilThere(identity, clock, AbortSignal.any([signal, AbortSignal.timeout(START_MS)]))
      } catch (failed) {
        // Nobody will read its ledger: it must not send for as long as this process lives.
        end()
        throw failed
      }
    }
    return new LedgerRun(spec, { servedBy, clock, signal, launch })
  },
})

/** Returns what ends the process again. */
function launchProber([program = process.execPath, ...first]: readonly string[], spec: ProberSpec, orphanMs: number) {
  const { ledger, url, host, rate, timeoutMs } = spec
  const args = [...first, ledger, url, host ?? '-', String(rate), String(timeoutMs), String(orphanMs)]
  const { PATH = '', NODE_COMPILE_CACHE } = process.env
  // Detached, and with nothing of ours open: it measures on when this process is killed, and holds no folder.
  const child = spawn(program, args, {
    detached: true,
    stdio: 'ignore',
    cwd: '/',
    env: { PATH, ...(NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }) },
  })
  child.on('error', () => {})
  child.unref()
  return () => void child.kill('SIGKILL')
}

function isRunning(identityPath: string): boolean {
  const found = readIdentity(identityPath)
  return found !== null && isAlive(found)
}

async function untilThere(identityPath: string, clock: Clock, signal: AbortSignal): Promise<void> {
  for (const delayMs of backoff(10, 20)) {
    if (isRunning(identityPath)) return
    await clock.sleep(delayMs, signal)
  }
}
