import type { Kysely } from 'kysely'
import { type Scope, scopeName } from '../model/app.ts'
import { DeployError } from '../model/failure.ts'
import type { Receipt } from '../model/receipt.ts'
import type { Rollout } from '../model/rollout.ts'
import { nextNumber } from './releases.ts'
import type { Tables } from './schema.ts'

type Database = Kysely<Tables>

/** Stores a rollout under the next id. */
export async function addRollout(database: Database, rollout: Omit<Rollout, 'id'>): Promise<Rollout> {
  const { app, environment } = rollout
  const id = await nextNumber(database, rollout, 'rollout')
  const stored: Rollout = { ...rollout, id }
  await database
    .insertInto('rollouts')
    .values({ app, environment, id, body: JSON.stringify(stored) })
    .execute()
  return stored
}

/** Replaces a stored rollout. Throws ROLLOUT_NOT_FOUND. */
export async function saveRollout(database: Database, rollout: Rollout): Promise<void> {
  const { numUpdatedRows } = await database
    .updateTable('rollouts')
    .set({ body: JSON.stringify(rollout) })
    .where('app', '=', rollout.app)
    .where('environment', '=', rollout.environment)
    .where('id', '=', rollout.id)
    .executeTakeFirstOrThrow()
  if (numUpdatedRows === 0n) throw notFound(rollout, rollout.id)
}

/** Newest first. */
export async function listRollouts(
  database: Database,
  { app, environment }: Scope,
  limit: number,
): Promise<readonly Rollout[]> {
  const rows = await database
    .selectFrom('rollouts')
    .select('body')
    .where('app', '=', app)
    .where('environment', '=', environment)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.map(({ body }) => JSON.parse(body) as Rollout)
}

/** Stores a rollout's receipt, or replaces it. Safe twice. */
export async function saveReceipt(database: Database, receipt: Receipt): Promise<void> {
  const { app, environment, rollout } = receipt
  const body = JSON.stringify(receipt)
  await database
    .insertInto('receipts')
    .values({ app, environment, rollout, body })
    .onConflict((conflict) => conflict.columns(['app', 'environment', 'rollout']).doUpdateSet({ body }))
    .execute()
}

/** The receipt of a rollout; null: it has none. */
export async function findReceipt(
  database: Database,
  { app, environment }: Scope,
  rollout: number,
): Promise<Receipt | null> {
  const row = await database
    .selectFrom('receipts')
    .select('body')
    .where('app', '=', app)
    .where('environment', '=', environment)
    .where('rollout', '=', rollout)
    .executeTakeFirst()
  return row === undefined ? null : (JSON.parse(row.body) as Receipt)
}

function notFound(scope: Scope, id: number): DeployError {
  return new DeployError('ROLLOUT_NOT_FOUND', `${scopeName(scope)} has no rollout ${id}`, {
    hint: 'List them with: naru history.',
  })
}
