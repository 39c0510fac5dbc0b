import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

const FIRST = [
  `create table leases (app text not null, environment text not null, token integer not null, holder text not null,
     expires_at_ms integer, primary key (app, environment)) strict, without rowid`,
  `create table counters (app text not null, environment text not null, kind text not null, value integer not null,
     primary key (app, environment, kind)) strict, without rowid`,
  `create table desired (app text not null, environment text not null, body text not null,
     primary key (app, environment)) strict, without rowid`,
  `create table releases (app text not null, environment text not null, revision integer not null, body text not null,
     primary key (app, environment, revision)) strict`,
  `create table rollouts (app text not null, environment text not null, id integer not null, body text not null,
     primary key (app, environment, id)) strict`,
  `create table receipts (app text not null, environment text not null, rollout integer not null, body text not null,
     primary key (app, environment, rollout)) strict`,
  `create table operations (sequence integer primary key autoincrement, operation text not null unique, app text not null,
     environment text not null, rollout integer) strict`,
  'create index operations_of_scope on operations (app, environment, sequence)',
  `create table events (operation text not null references operations (operation) on delete cascade, id integer not null,
     body text not null, primary key (operation, id)) strict`,
  `create table secrets (app text not null, environment text not null, name text not null, newest integer not null,
     current integer, primary key (app, environment, name)) strict, without rowid`,
  `create table secret_versions (app text not null, environment text not null, name text not null, version integer not null,
     sealed text not null, set_at_ms integer not null, set_by text not null, primary key (app, environment, name, version)) strict`,
  `create table release_secrets (app text not null, environment text not null, revision integer not null, name text not null,
     version integer not null, primary key (app, environment, revision, name),
     foreign key (app, environment, revision) references releases (app, environment, revision) on delete cascade,
     foreign key (app, environment, name, version) references secret_versions (app, environment, name, version))
     strict, without rowid`,
  'create index release_secrets_of_version on release_secrets (app, environment, name, version)',
]

/** The schema's versions, by four digits. One that was released is never changed: a change is a new one. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001': { up: (database) => statements(database, FIRST) },
}

async function statements(database: Kysely<unknown>, texts: readonly string[]): Promise<void> {
  for (const text of texts) await sql.raw(text).execute(database)
}
