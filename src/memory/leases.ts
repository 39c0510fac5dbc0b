import type { Kysely } from 'kysely'
import { type Scope, scopeName } from '../model/app.ts'
import { DeployError } from '../model/failure.ts'
import type { FencingToken } from '../model/rollout.ts'
import type { Lease } from './memory.ts'
import type { Tables } from './schema.ts'

type Row = Tables['leases']
type Database = Kysely<Tables>

/** Takes a free or run-out lease under the next token, or renews the holder's own. Throws LEASE_HELD. */
export async function acquireLease(
  database: Database,
  scope: Scope,
  holder: string,
  ttlMs: number,
  nowMs: number,
): Promise<Lease> {
  const row = await leaseRow(database, scope)
  const live = row !== undefined && row.expires_at_ms !== null && row.expires_at_ms > nowMs
  if (live && row.holder !== holder) throw held(scope, row, nowMs)
  const lease = { token: live ? row.token : (row?.token ?? 0) + 1, holder, expiresAtMs: nowMs + ttlMs }
  await saveLease(database, scope, lease)
  return lease
}

/** Extends a lease, also a run-out one that nobody took. Throws LEASE_LOST. */
export async function renewLease(
  database: Database,
  scope: Scope,
  token: FencingToken,
  ttlMs: number,
  nowMs: number,
): Promise<Lease> {
  const { holder } = await checkToken(database, scope, token)
  const lease = { token, holder, expiresAtMs: nowMs + ttlMs }
  await saveLease(database, scope, lease)
  return lease
}

/** Gives a lease back; one that is lost already stays with whoever has it. */
export async function releaseLease(
  database: Database,
  { app, environment }: Scope,
  token: FencingToken,
): Promise<void> {
  await database
    .updateTable('leases')
    .set({ expires_at_ms: null })
    .where('app', '=', app)
    .where('environment', '=', environment)
    .where('token', '=', token)
    .execute()
}

/** Ends all leases; the next ones get higher tokens, so that what their holders still send is refused. */
export async function freeLeases(database: Database): Promise<void> {
  await database.updateTable('leases').set({ expires_at_ms: null }).execute()
}

/**
 * Stands before every write of a lease's holder, in the same transaction. Throws LEASE_LOST for any token but the newest, and
 * for one that was given back. One that has run out still writes: nobody else has written since.
 */
export async function checkToken(database: Database, scope: Scope, token: FencingToken): Promise<Row> {
  const row = await leaseRow(database, scope)
  if (row !== undefined && row.token === token && row.expires_at_ms !== null) return row
  throw lost(scope, token, row)
}

function leaseRow(database: Database, { app, environment }: Scope): Promise<Row | undefined> {
  return database
    .selectFrom('leases')
    .selectAll()
    .where('app', '=', app)
    .where('environment', '=', environment)
    .executeTakeFirst()
}

async function saveLease(database: Database, { app, environment }: Scope, lease: Lease): Promise<void> {
  const values = { token: lease.token, holder: lease.holder, expires_at_ms: lease.expiresAtMs }
  await database
    .insertInto('leases')
    .values({ app, environment, ...values })
    .onConflict((conflict) => conflict.columns(['app', 'environment']).doUpdateSet(values))
    .execute()
}

function held(scope: Scope, row: Row, nowMs: number): DeployError {
  const leftMs = (row.expires_at_ms ?? nowMs) - nowMs
  const message = `${scopeName(scope)} is being changed by ${row.holder}; its lease runs out in ${Math.ceil(leftMs / 1000)} s`
  return new DeployError('LEASE_HELD', message, {
    hint: 'Nothing was changed. Wait for it to end, watch it with: naru status --watch, or end it with: naru abort.',
    detail: { holder: row.holder, token: row.token, leftMs },
  })
}

function lost(scope: Scope, token: FencingToken, row: Row | undefined): DeployError {
  const now = row === undefined ? 'nobody ever had it' : `the newest is ${row.token}, of ${row.holder}`
  return new DeployError('LEASE_LOST', `the lease ${token} of ${scopeName(scope)} is no longer valid: ${now}`, {
    hint: 'Nothing was written. Another process has taken over; see what it does with: naru status --watch.',
    detail: { token, newest: row?.token ?? 0 },
  })
}
