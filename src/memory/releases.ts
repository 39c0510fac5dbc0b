import type { Kysely } from 'kysely'
import type { Scope } from '../model/app.ts'
import type { Release } from '../model/release.ts'
import type { Tables } from './schema.ts'
import { checkVersions, forgetVersions } from './secret-versions.ts'

type Database = Kysely<Tables>

/** The next number of a kind in a scope. A number that was given is never given again, whatever is deleted. */
export async function nextNumber(
  database: Database,
  { app, environment }: Scope,
  kind: 'revision' | 'rollout',
): Promise<number> {
  const row = await database
    .insertInto('counters')
    .values({ app, environment, kind, value: 1 })
    .onConflict((conflict) =>
      conflict
        .columns(['app', 'environment', 'kind'])
        .doUpdateSet((update) => ({ value: update('counters.value', '+', 1) })),
    )
    .returning('value')
    .executeTakeFirstOrThrow()
  return row.value
}

/** Stores a release under the next revision, and pins its secrets. Throws SECRET_NOT_FOUND when a version is not there. */
export async function addRelease(database: Database, release: Omit<Release, 'revision'>): Promise<Release> {
  const { app, environment } = release
  await checkVersions(database, release, release.secrets)
  const revision = await nextNumber(database, release, 'revision')
  const stored: Release = { ...release, revision }
  await database
    .insertInto('releases')
    .values({ app, environment, revision, body: JSON.stringify(stored) })
    .execute()
  const pins = Object.entries(release.secrets).map(([name, version]) => ({ app, environment, revision, name, version }))
  if (pins.length > 0) await database.insertInto('release_secrets').values(pins).execute()
  return stored
}

/** One release of a scope by its revision; null: there is none. */
export async function findRelease(
  database: Database,
  { app, environment }: Scope,
  revision: number,
): Promise<Release | null> {
  const row = await database
    .selectFrom('releases')
    .select('body')
    .where('app', '=', app)
    .where('environment', '=', environment)
    .where('revision', '=', revision)
    .executeTakeFirst()
  return row === undefined ? null : (JSON.parse(row.body) as Release)
}

/** Newest first. */
export async function listReleases(database: Database, { app, environment }: Scope): Promise<readonly Release[]> {
  const rows = await database
    .selectFrom('releases')
    .select('body')
    .where('app', '=', app)
    .where('environment', '=', environment)
    .orderBy('revision', 'desc')
    .execute()
  return rows.map(({ body }) => JSON.parse(body) as Release)
}

/** Forgets releases, and the secret versions that nothing needs any more. */
export async function deleteReleases(database: Database, scope: Scope, revisions: readonly number[]): Promise<void> {
  if (revisions.length === 0) return
  const { app, environment } = scope
  const pinned = await database
    .selectFrom('release_secrets')
    .select(['name', 'version'])
    .distinct()
    .where('app', '=', app)
    .where('environment', '=', environment)
    .where('revision', 'in', revisions)
    .execute()
  await database
    .deleteFrom('releases')
    .where('app', '=', app)
    .where('environment', '=', environment)
    .where('revision', 'in', revisions)
    .execute()
  for (const { name, version } of pinned) await forgetVersions(database, scope, name, { only: version })
}
