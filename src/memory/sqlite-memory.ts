import { randomBytes } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import type { Scope } from '../model/app.ts'
import { DeployError } from '../model/failure.ts'
import { isVariableName } from '../model/names.ts'
import type { DesiredState, FencingToken } from '../model/rollout.ts'
import { readKeyFile, readOrMakeKeyFile } from '../secrets/key-file.ts'
import { open, type SealingKey, seal } from '../secrets/seal.ts'
import { appendEvents, eventsAfter, listOperations } from './events.ts'
import { acquireLease, checkToken, freeLeases, releaseLease, renewLease } from './leases.ts'
import type { Memory } from './memory.ts'
import { addRelease, deleteReleases, findRelease, listReleases } from './releases.ts'
import { addRollout, findReceipt, listRollouts, saveReceipt, saveRollout } from './rollouts.ts'
import { addVersion, hasSealed, listSecrets, sealedVersions, unsetSecret } from './secret-versions.ts'
import { openDatabase, type SqliteDatabase } from './sqlite-database.ts'

/** What the memory of one data folder needs. */
export interface SqliteMemoryOptions {
  /** Holds memory.db. */
  readonly folder: string
  /** The sealing keys (secrets/key-file.ts); made with the first secret. */
  readonly keyFile: string
  readonly clock: Clock
  /** Ends waits for another process's lock. */
  readonly signal: AbortSignal
  /** The caller holds the folder: nobody else can be writing, so leases that a killed process left are free at once. */
  readonly alone?: boolean
}

/** The port `Memory` in SQLite: for environments that keep their memory in the data folder. Throws MEMORY_NEWER, MEMORY_UNUSABLE, DISK_FULL. */
export async function openSqliteMemory(options: SqliteMemoryOptions): Promise<Memory> {
  const database = await openDatabase(options)
  try {
    if (options.alone === true) await database.write(freeLeases)
  } catch (failed) {
    database.close()
    throw failed
  }
  return sqliteMemory(database, options.keyFile)
}

const NOTHING: DesiredState = { revision: null, scale: {}, paused: false, sets: [] }

type Part<Names extends keyof Memory> = Pick<Memory, Names>

function sqliteMemory(database: SqliteDatabase, keyFile: string): Memory {
  return {
    ...leaseMethods(database),
    ...desiredMethods(database),
    ...releaseMethods(database),
    ...rolloutMethods(database),
    ...eventMethods(database),
    ...secretMethods(database, keyFile),
    close: async () => database.close(),
  }
}

function leaseMethods(database: SqliteDatabase): Part<'acquireLease' | 'renewLease' | 'releaseLease'> {
  return {
    acquireLease: (scope, holder, ttlMs, nowMs) =>
      database.write((tx) => acquireLease(tx, scope, holder, ttlMs, nowMs)),
    renewLease: (scope, token, ttlMs, nowMs) => database.write((tx) => renewLease(tx, scope, token, ttlMs, nowMs)),
    releaseLease: (scope, token) => database.write((tx) => releaseLease(tx, scope, token)),
  }
}

/** A write of a lease's holder: the token is checked in the same transaction. */
function fenced<T>(
  database: SqliteDatabase,
  scope: Scope,
  token: FencingToken,
  work: (transaction: Parameters<Parameters<SqliteDatabase['write']>[0]>[0]) => Promise<T>,
): Promise<T> {
  return database.write(async (tx) => {
    await checkToken(tx, scope, token)
    return work(tx)
  })
}

function desiredMethods(database: SqliteDatabase): Part<'scopes' | 'desired' | 'saveDesired'> {
  return {
    scopes: () =>
      database.read((db) =>
        db
          .selectFrom('counters')
          .select(['app', 'environment'])
          .where('kind', '=', 'revision')
          .union(db.selectFrom('desired').select(['app', 'environment']))
          .orderBy('app')
          .orderBy('environment')
          .execute()
          .then((rows) => rows.map(({ app, environment }) => ({ app, environment }))),
      ),
    desired: async ({ app, environment }) => {
      const row = await database.read((db) =>
        db
          .selectFrom('desired')
          .select('body')
          .where('app', '=', app)
          .where('environment', '=', environment)
          .executeTakeFirst(),
      )
      return row === undefined ? NOTHING : (JSON.parse(row.body) as DesiredState)
    },
    saveDesired: (scope, desired, token) =>
      fenced(database, scope, token, async (tx) => {
        const body = JSON.stringify(desired)
        await tx
          .insertInto('desired')
          .values({ app: scope.app, environment: scope.environment, body })
          .onConflict((conflict) => conflict.columns(['app', 'environment']).doUpdateSet({ body }))
          .execute()
      }),
  }
}

function releaseMethods(database: SqliteDatabase): Part<'addRelease' | 'release' | 'releases' | 'deleteReleases'> {
  return {
    addRelease: (release, token) => fenced(database, release, token, (tx) => addRelease(tx, release)),
    release: (scope, revision) => database.read((db) => findRelease(db, scope, revision)),
    releases: (scope) => database.read((db) => listReleases(db, scope)),
    deleteReleases: (scope, revisions, token) =>
      fenced(database, scope, token, (tx) => deleteReleases(tx, scope, revisions)),
  }
}

function rolloutMethods(
  database: SqliteDatabase,
): Part<'addRollout' | 'saveRollout' | 'rollouts' | 'saveReceipt' | 'receipt'> {
  return {
    addRollout: (rollout, token) => fenced(database, rollout, token, (tx) => addRollout(tx, rollout)),
    saveRollout: (rollout, token) => fenced(database, rollout, token, (tx) => saveRollout(tx, rollout)),
    rollouts: (scope, limit) => database.read((db) => listRollouts(db, scope, limit)),
    saveReceipt: (receipt, token) => fenced(database, receipt, token, (tx) => saveReceipt(tx, receipt)),
    receipt: (scope, rollout) => database.read((db) => findReceipt(db, scope, rollout)),
  }
}

function eventMethods(database: SqliteDatabase): Part<'appendEvents' | 'events' | 'operations'> {
  return {
    appendEvents: (operation, events) => database.write((tx) => appendEvents(tx, operation, events)),
    events: (operation, afterId) => database.read((db) => eventsAfter(db, operation, afterId)),
    operations: (scope, limit) => database.read((db) => listOperations(db, scope, limit)),
  }
}

function secretMethods(
  database: SqliteDatabase,
  keyFile: string,
): Part<'setSecret' | 'secrets' | 'unsetSecret' | 'openSecrets'> {
  return {
    setSecret: async (scope, name, value, by, nowMs) => {
      checkSecretName(name)
      const key = await currentKey(database, keyFile)
      const sealFor = (version: number) => seal(key, { ...scope, name, version }, value, randomBytes)
      return database.write((tx) => addVersion(tx, scope, { name, by, nowMs, sealFor }))
    },
    secrets: (scope) => database.read((db) => listSecrets(db, scope)),
    unsetSecret: (scope, name) => database.write((tx) => unsetSecret(tx, scope, name)),
    openSecrets: async (scope, versions) => {
      if (Object.keys(versions).length === 0) return {}
      const sealed = await database.read((db) => sealedVersions(db, scope, versions))
      const keys = await readKeyFile(keyFile)
      if (keys === null) throw keyFileMissing(keyFile)
      return Object.fromEntries(
        sealed.map(({ name, version, sealed: text }) => [name, open(keys, { ...scope, name, version }, text)]),
      )
    },
  }
}

/** The key that seals. A missing file is made only while nothing is sealed: else a new key would hide that the old one is lost. */
async function currentKey(database: SqliteDatabase, keyFile: string): Promise<SealingKey> {
  const mayMake = !(await database.read(hasSealed))
  const keys = mayMake ? await readOrMakeKeyFile(keyFile) : await readKeyFile(keyFile)
  const first = keys?.[0]
  if (first === undefined) throw keyFileMissing(keyFile)
  return first
}

function checkSecretName(name: string): void {
  if (isVariableName(name)) return
  throw new DeployError('NAME_INVALID', `${JSON.stringify(name.slice(0, 80))} is no name for a secret`, {
    hint: 'Use letters, digits and _, not a digit first, at most 128.',
  })
}

function keyFileMissing(keyFile: string): DeployError {
  return new DeployError(
    'SECRET_KEY_UNUSABLE',
    `the key file ${keyFile} is missing, and there are secrets sealed with it`,
    {
      hint: 'Put it back from your backup. If it is lost, write 32 random bytes as base64 into it (mode 0600), and set each secret again.',
    },
  )
}
