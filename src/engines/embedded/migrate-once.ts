import { type App, scopeName } from '../../model/app.ts'
import type { Report } from '../../model/event.ts'
import { DeployError } from '../../model/failure.ts'
import type { Exit } from '../../model/observed.ts'
import type { Order } from '../engine.ts'
import { logFolder } from './keeper/logs/log-file.ts'
import type { MigrationRecord } from './keeper/protocol.ts'
import type { KeeperClient } from './keeper-client.ts'
import type { ReplicaPlace, ReplicaRoots } from './launch.ts'
import { readLogs } from './replica-logs.ts'
import type { Turns } from './turns.ts'

interface Place {
  readonly folder: string
  readonly roots: ReplicaRoots
  readonly keeper: KeeperClient
  readonly turns: Turns
}

/** Runs the release's migrate command under the name of its revision, or attaches to it. Its log is reported line by line. Throws MIGRATE_FAILED, MIGRATE_UNKNOWN. */
export async function migrateOnce(at: Place, order: Order, report: Report, signal: AbortSignal): Promise<void> {
  const { scope, token, release } = order
  const { migrate } = release.settings
  await at.keeper.request({ kind: 'fence', scope, token }, signal)
  if (migrate === null) return
  const { revision } = release
  const replica = migrationName(revision)
  await at.turns.take(`${scopeName(scope)}/${replica}`, () => begin(at, order, migrate, signal))
  const record = await withLog(logFolder(at.folder, scope), replica, report, signal, () =>
    at.keeper.request<MigrationRecord | null>({ kind: 'await-migration', scope, revision }, signal),
  )
  await at.roots.remove(scope, replica)
  judge(record, revision, migrate.timeoutSeconds)
}

/** Starts it if nobody has: what is there already is not even prepared again. */
async function begin(
  at: Place,
  order: Order,
  { run, timeoutSeconds }: NonNullable<App['migrate']>,
  signal: AbortSignal,
): Promise<void> {
  const { scope, token, release } = order
  const { revision } = release
  const known = await at.keeper.request<MigrationRecord | null>({ kind: 'migration', scope, revision }, signal)
  if (known !== null) return
  const place: ReplicaPlace = { scope, replica: migrationName(revision), role: 'migrate', revision, port: null }
  const launch = await at.roots.launchOnce(place, release, run, signal)
  const secrets = await order.openSecrets()
  const spec = { place, launch, release }
  await at.keeper.request({ kind: 'migrate', scope, token, spec, timeoutMs: timeoutSeconds * 1000, secrets }, signal)
}

const migrationName = (revision: number): string => `migrate-${revision}`

/** Reports the log's lines while `wait` goes on, and what is left of it after. */
async function withLog<T>(
  folder: string,
  replica: string,
  report: Report,
  signal: AbortSignal,
  wait: () => Promise<T>,
): Promise<T> {
  const done = new AbortController()
  const either = AbortSignal.any([done.signal, signal])
  const following = (async () => {
    const options = { follow: true, tail: Number.POSITIVE_INFINITY }
    for await (const { line } of readLogs(folder, (name) => name === replica, options, either)) {
      report({ kind: 'log', from: 'migrate', line })
    }
  })()
  try {
    return await wait()
  } finally {
    done.abort()
    await following
  }
}

function judge(record: MigrationRecord | null, revision: number, timeoutSeconds: number): void {
  if (record?.state === 'ended' && record.exit?.code === 0) return
  if (record?.state !== 'ended' || record.exit === null) {
    throw new DeployError('MIGRATE_UNKNOWN', `nobody saw how the migrate command of revision ${revision} ended`, {
      hint: 'The old release still serves. Look at what was migrated, then deploy again: that runs migrate under a new revision.',
      detail: { revision },
    })
  }
  const { exit, timedOut } = record
  const how = timedOut ? `did not end within ${timeoutSeconds} s` : howItEnded(exit)
  throw new DeployError('MIGRATE_FAILED', `the migrate command of revision ${revision} ${how}`, {
    hint: `The old release still serves, untouched. Its log says why: naru logs --replica migrate-${revision}`,
    detail: { revision, exitCode: exit.code ?? -1, log: exit.logTail.join('\n') },
  })
}

function howItEnded(exit: Exit): string {
  if (exit.startFailure !== null) return `could not be started: ${exit.startFailure}`
  return exit.signal === null ? `ended with exit code ${exit.code}` : `was ended by ${exit.signal}`
}
