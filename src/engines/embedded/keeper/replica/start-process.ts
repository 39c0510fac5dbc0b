import { randomBytes } from 'node:crypto'
import { closeSync } from 'node:fs'
import { failureReport } from '../../../../model/failure.ts'
import { openLog } from '../../../../os/open-log.ts'
import { bootId } from '../../../../os/process-identity.ts'
import { logEnd } from '../logs/log-file.ts'
import type { KeptProcess } from '../process/kept-process.ts'
import { type NotStarted, runLists, spawnLaunch, writeSecretFiles } from '../process/spawn-launch.ts'
import type { Secrets } from '../protocol.ts'
import type { Surroundings } from '../surroundings.ts'
import type { HeldStart } from './held-start.ts'
import type { KeptRecord } from './kept-record.ts'

/** Starts the program of a replica, written down before and after, so that it is found when the keeper is killed in between. */
export async function startProcess(
  record: KeptRecord,
  secrets: Secrets,
  { clock, signal }: Pick<Surroundings, 'clock' | 'signal'>,
): Promise<KeptProcess | (NotStarted & { readonly message?: string })> {
  const { launch, place } = record.now.spec
  const nonce = randomBytes(12).toString('hex')
  const now = clock.now()
  const logOffset = logEnd(record.log)
  record.save({ state: 'starting', nonce, restartAtMs: null, processStartedAtMs: now, logOffset, cut: 0 })
  const log = openLog(record.log, launch.logOwner)
  try {
    if (record.now.preparedBoot !== bootId()) {
      await runLists(launch.before, signal)
      record.save({ preparedBoot: bootId() })
    }
    writeSecretFiles(launch, secrets)
    record.save({ oomKills: record.oomKills() })
    const started = await spawnLaunch({ launch, secrets, nonce, log })
    if (!('startError' in started)) record.save({ state: 'running', process: started.identity })
    return started
  } catch (failed) {
    const { message } = failureReport(failed)
    return { startError: 'EUNKNOWN', message: `${place.replica} could not be started: ${message}` }
  } finally {
    closeSync(log)
  }
}

/**
 * The same of one that was made ready, with one write to the disk: all that is to be known of the process is known before it becomes the
 * program. Throws DISK_FULL; then it is not started.
 */
export function startHeld(record: KeptRecord, held: HeldStart, complain: (thrown: unknown) => void): KeptProcess {
  try {
    record.create({
      state: 'running',
      nonce: held.nonce,
      process: held.process.identity,
      preparedBoot: bootId(),
      logOffset: logEnd(record.log),
      oomKills: record.oomKills(),
    })
  } catch (failed) {
    held.drop().catch(complain)
    throw failed
  }
  held.open()
  record.tell()
  return held.process
}
