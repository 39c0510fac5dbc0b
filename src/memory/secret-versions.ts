import type { Kysely } from 'kysely'
import { type Scope, scopeName } from '../model/app.ts'
import { DeployError } from '../model/failure.ts'
import type { SecretEntry } from './memory.ts'
import type { Tables } from './schema.ts'

type Database = Kysely<Tables>

interface NewVersion {
  readonly name: string
  readonly by: string
  readonly nowMs: number
  /** Seals the value for the version that it becomes. */
  readonly sealFor: (version: number) => string
}

/** Stores the next version; a version number is never used twice, also after `unset`. */
export async function addVersion(
  database: Database,
  scope: Scope,
  { name, by, nowMs, sealFor }: NewVersion,
): Promise<SecretEntry> {
  const { app, environment } = scope
  const version = ((await secretRow(database, scope, name))?.newest ?? 0) + 1
  await database
    .insertInto('secret_versions')
    .values({ app, environment, name, version, sealed: sealFor(version), set_at_ms: nowMs, set_by: by })
    .execute()
  await database
    .insertInto('secrets')
    .values({ app, environment, name, newest: version, current: version })
    .onConflict((conflict) =>
      conflict.columns(['app', 'environment', 'name']).doUpdateSet({ newest: version, current: version }),
    )
    .execute()
  // The one before may be in the hands of a deploy that has not yet stored its release.
  await forgetVersions(database, scope, name, { below: version - 1 })
  return { name, version, setAtMs: nowMs, setBy: by }
}

/** Secrets that are set, sorted by name. */
export async function listSecrets(database: Database, { app, environment }: Scope): Promise<readonly SecretEntry[]> {
  const rows = await database
    .selectFrom('secrets as s')
    .innerJoin('secret_versions as v', (join) =>
      join
        .onRef('v.app', '=', 's.app')
        .onRef('v.environment', '=', 's.environment')
        .onRef('v.name', '=', 's.name')
        .onRef('v.version', '=', 's.current'),
    )
    .select(['v.name', 'v.version', 'v.set_at_ms', 'v.set_by'])
    .where('s.app', '=', app)
    .where('s.environment', '=', environment)
    .orderBy('v.name')
    .execute()
  return rows.map((row) => ({ name: row.name, version: row.version, setAtMs: row.set_at_ms, setBy: row.set_by }))
}

/** Unsets a secret. What no release needs is forgotten with it. False: it was not set. */
export async function unsetSecret(database: Database, scope: Scope, name: string): Promise<boolean> {
  const row = await secretRow(database, scope, name)
  if (row === undefined || row.current === null) return false
  await database
    .updateTable('secrets')
    .set({ current: null })
    .where('app', '=', scope.app)
    .where('environment', '=', scope.environment)
    .where('name', '=', name)
    .execute()
  await forgetVersions(database, scope, name, { below: row.newest + 1 })
  return true
}

/** The sealed texts of versions. Throws SECRET_NOT_FOUND with all that are missing. */
export async function sealedVersions(
  database: Database,
  scope: Scope,
  versions: Readonly<Record<string, number>>,
): Promise<readonly { readonly name: string; readonly version: number; readonly sealed: string }[]> {
  const rows = await database
    .selectFrom('secret_versions')
    .select(['name', 'version', 'sealed'])
    .where('app', '=', scope.app)
    .where('environment', '=', scope.environment)
    .where('name', 'in', Object.keys(versions))
    .execute()
  const found = rows.filter(({ name, version }) => Object.hasOwn(versions, name) && versions[name] === version)
  const missing = Object.keys(versions).filter((name) => !found.some((row) => row.name === name))
  if (missing.length > 0)
    throw notFound(
      scope,
      missing.map((name) => `${name} (version ${versions[name]})`),
    )
  return found
}

/** Throws SECRET_NOT_FOUND unless all of them are there. */
export async function checkVersions(
  database: Database,
  scope: Scope,
  versions: Readonly<Record<string, number>>,
): Promise<void> {
  if (Object.keys(versions).length > 0) await sealedVersions(database, scope, versions)
}

/** Deletes versions of a secret that no release pins and that are not the current one. */
export async function forgetVersions(
  database: Database,
  { app, environment }: Scope,
  name: string,
  which: { readonly below: number } | { readonly only: number },
): Promise<void> {
  await database
    .deleteFrom('secret_versions')
    .where('app', '=', app)
    .where('environment', '=', environment)
    .where('name', '=', name)
    .where('version', 'below' in which ? '<' : '=', 'below' in which ? which.below : which.only)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('release_secrets as r')
            .select('r.version')
            .whereRef('r.app', '=', 'secret_versions.app')
            .whereRef('r.environment', '=', 'secret_versions.environment')
            .whereRef('r.name', '=', 'secret_versions.name')
            .whereRef('r.version', '=', 'secret_versions.version'),
        ),
      ),
    )
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('secrets as s')
            .select('s.current')
            .whereRef('s.app', '=', 'secret_versions.app')
            .whereRef('s.environment', '=', 'secret_versions.environment')
            .whereRef('s.name', '=', 'secret_versions.name')
            .whereRef('s.current', '=', 'secret_versions.version'),
        ),
      ),
    )
    .execute()
}

/** Whether any sealed text is stored: then a missing key file is a loss, not a beginning. */
export async function hasSealed(database: Database): Promise<boolean> {
  return (await database.selectFrom('secret_versions').select('name').limit(1).executeTakeFirst()) !== undefined
}

function secretRow(
  database: Database,
  { app, environment }: Scope,
  name: string,
): Promise<Tables['secrets'] | undefined> {
  return database
    .selectFrom('secrets')
    .selectAll()
    .where('app', '=', app)
    .where('environment', '=', environment)
    .where('name', '=', name)
    .executeTakeFirst()
}

function notFound(scope: Scope, missing: readonly string[]): DeployError {
  return new DeployError('SECRET_NOT_FOUND', `${scopeName(scope)} has no secret ${missing.join(', ')}`, {
    hint: 'Set it with: naru secret set NAME.',
    detail: { missing: missing.join(', ') },
  })
}
