import type { Kysely } from 'kysely'
import type { Scope } from '../model/app.ts'
import type { Event } from '../model/event.ts'
import type { Tables } from './schema.ts'

type Database = Kysely<Tables>

/** Operations of a scope whose events are kept; the receipts of older ones stay. */
const KEPT_OPERATIONS = 200
/** SQLite takes 32,766 parameters in a statement (SQLITE_MAX_VARIABLE_NUMBER); three per event. */
const MOST_AT_ONCE = 1000

/** Appends events; one that is there already (told twice after a crash) stays as it is. */
export async function appendEvents(database: Database, operation: string, events: readonly Event[]): Promise<void> {
  const first = events[0]
  if (first === undefined) return
  await keepOperation(database, operation, first)
  const rollout = events.findLast((event) => event.rollout !== null)?.rollout ?? null
  if (rollout !== null) {
    await database.updateTable('operations').set({ rollout }).where('operation', '=', operation).execute()
  }
  for (let start = 0; start < events.length; start += MOST_AT_ONCE) {
    const rows = events
      .slice(start, start + MOST_AT_ONCE)
      .map((event) => ({ operation, id: event.id, body: JSON.stringify(event) }))
    await database
      .insertInto('events')
      .values(rows)
      .onConflict((conflict) => conflict.columns(['operation', 'id']).doNothing())
      .execute()
  }
}

/** Events of an operation after an id, in order. */
export async function eventsAfter(database: Database, operation: string, afterId: number): Promise<readonly Event[]> {
  const rows = await database
    .selectFrom('events')
    .select('body')
    .where('operation', '=', operation)
    .where('id', '>', afterId)
    .orderBy('id')
    .execute()
  return rows.map(({ body }) => JSON.parse(body) as Event)
}

/** Newest first. */
export async function listOperations(
  database: Database,
  { app, environment }: Scope,
  limit: number,
): Promise<readonly { readonly operation: string; readonly rollout: number | null }[]> {
  const rows = await database
    .selectFrom('operations')
    .select(['operation', 'rollout'])
    .where('app', '=', app)
    .where('environment', '=', environment)
    .orderBy('sequence', 'desc')
    .limit(limit)
    .execute()
  return rows.map(({ operation, rollout }) => ({ operation, rollout }))
}

async function keepOperation(database: Database, operation: string, { app, environment }: Scope): Promise<void> {
  const known = await database
    .selectFrom('operations')
    .select('operation')
    .where('operation', '=', operation)
    .executeTakeFirst()
  if (known !== undefined) return
  await database.insertInto('operations').values({ operation, app, environment, rollout: null }).execute()
  const oldest = database
    .selectFrom('operations')
    .select('sequence')
    .where('app', '=', app)
    .where('environment', '=', environment)
    .orderBy('sequence', 'desc')
    .limit(1)
    .offset(KEPT_OPERATIONS)
  await database
    .deleteFrom('operations')
    .where('app', '=', app)
    .where('environment', '=', environment)
    .where('sequence', '<=', oldest)
    .execute()
}
