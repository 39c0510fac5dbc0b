import { chmod, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Kysely, type Transaction } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import { backoff } from '../lib/backoff.ts'
import type { Clock } from '../lib/clock.ts'
import { diskFull } from '../model/disk-full.ts'
import { DeployError } from '../model/failure.ts'
import { makeFolder, syncFolder } from '../os/atomic-file.ts'
import { MIGRATIONS } from './migrations.ts'
import type { Tables } from './schema.ts'
import { NodeSqliteDialect } from './sqlite-dialect.ts'
import { isBusy, sqliteFailure, stillLocked } from './sqlite-failure.ts'

/** Which file, and how long to wait for its lock. */
export interface SqliteDatabaseOptions {
  /** Holds memory.db; made when it is missing, for this user only. */
  readonly folder: string
  readonly clock: Clock
  /** Ends waits for a lock. */
  readonly signal: AbortSignal
  readonly migrations?: Readonly<Record<string, Migration>>
  /** Longest wait for another process's lock. Default 10 s. */
  readonly lockDeadlineMs?: number
}

/** How long SQLite itself may wait for a lock: it stops the event loop meanwhile (reference/libraries.md 5). */
const BUSY_TIMEOUT_MS = 50

/** An open database: one connection, WAL, every commit synced to disk before it is acknowledged. */
export class SqliteDatabase {
  readonly path: string
  readonly kysely: Kysely<Tables>
  readonly #sqlite: DatabaseSync
  readonly #options: SqliteDatabaseOptions

  constructor(path: string, sqlite: DatabaseSync, options: SqliteDatabaseOptions) {
    this.path = path
    this.#sqlite = sqlite
    this.#options = options
    this.kysely = new Kysely<Tables>({ dialect: new NodeSqliteDialect(sqlite) })
  }

  /** Runs a transaction that has the right to write from its start. Nothing is waited for inside but the database. */
  write<T>(work: (transaction: Transaction<Tables>) => Promise<T>): Promise<T> {
    return this.retry(() => this.kysely.transaction().execute(work))
  }

  read<T>(work: (database: Kysely<Tables>) => Promise<T>): Promise<T> {
    return this.retry(() => work(this.kysely))
  }

  /** Tries again while another process has the lock, by a timer. Throws MEMORY_UNUSABLE, DISK_FULL. */
  async retry<T>(work: () => Promise<T> | T): Promise<T> {
    const { clock, signal, lockDeadlineMs = 10_000 } = this.#options
    const startMs = clock.monotonic()
    for (const delayMs of backoff()) {
      try {
        return await work()
      } catch (failed) {
        if (!isBusy(failed)) throw sqliteFailure(failed, this.path)
        const waitedMs = clock.monotonic() - startMs
        if (waitedMs >= lockDeadlineMs) throw stillLocked(this.path, waitedMs, failed)
      }
      await clock.sleep(delayMs, signal)
    }
    throw new Error('unreachable: backoff never ends')
  }

  /** One setting of this connection, as SQLite answers it. */
  pragma(name: string): unknown {
    return Object.values(this.#sqlite.prepare(`pragma ${name}`).get() ?? {})[0]
  }

  execute(statement: string): void {
    this.#sqlite.exec(statement)
  }

  close(): void {
    if (this.#sqlite.isOpen) this.#sqlite.close()
  }
}

/** Opens memory.db of a folder, and brings its schema up to date. Throws MEMORY_NEWER, MEMORY_UNUSABLE, DISK_FULL. */
export async function openDatabase(options: SqliteDatabaseOptions): Promise<SqliteDatabase> {
  const path = join(options.folder, 'memory.db')
  await makeFile(path, options.folder)
  let database: SqliteDatabase | undefined
  try {
    const sqlite = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true })
    database = new SqliteDatabase(path, sqlite, options)
    await settle(database)
    await migrate(database, options.migrations ?? MIGRATIONS)
    return database
  } catch (failed) {
    database?.close()
    throw sqliteFailure(failed, path)
  }
}

/** The file is made by us, so that nobody else can read it, nor the files that SQLite makes beside it with the same mode. */
async function makeFile(path: string, folder: string): Promise<void> {
  try {
    await makeFolder(folder, 0o700)
    await (await open(path, 'a', 0o600)).close()
    await syncFolder(folder)
  } catch (failed) {
    const full = diskFull(failed, `opening ${path}`)
    if (full !== failed) throw full
    throw new DeployError(
      'MEMORY_UNUSABLE',
      `the memory ${path} cannot be opened (${(failed as NodeJS.ErrnoException).code ?? failed})`,
      {
        hint: 'Check the folder and its owner.',
        cause: failed,
      },
    )
  }
}

/** Sets what durability rests on, and reads it back: a setting that SQLite does not take is no error to it. */
async function settle(database: SqliteDatabase): Promise<void> {
  await database.retry(() => database.execute('pragma journal_mode = wal'))
  database.execute('pragma synchronous = full')
  const answers = { journal_mode: 'wal', synchronous: 2, foreign_keys: 1 } as const
  for (const [name, wanted] of Object.entries(answers)) {
    const answer = database.pragma(name)
    if (answer === wanted) continue
    throw new DeployError(
      'MEMORY_UNUSABLE',
      `the memory ${database.path} does not take ${name}=${wanted}: it is ${String(answer)}`,
      {
        hint: 'Put the data folder on a local file system (no network share).',
      },
    )
  }
}

async function migrate(database: SqliteDatabase, migrations: Readonly<Record<string, Migration>>): Promise<void> {
  const done = await executedMigrations(database)
  const newest = (names: readonly string[]) => Number([...names].sort().at(-1) ?? 0)
  if (done.some((name) => !(name in migrations))) {
    const [there, ours] = [newest(done), newest(Object.keys(migrations))]
    throw new DeployError(
      'MEMORY_NEWER',
      `the memory ${database.path} has the schema ${there}, and this Naru knows up to ${ours}`,
      {
        hint: 'Nothing was changed. Use the newer Naru that wrote it, or the copy beside it that was made before its migration.',
        detail: { there, ours },
      },
    )
  }
  if (Object.keys(migrations).every((name) => done.includes(name))) return
  if (done.length > 0) await copyBefore(database, newest(done))
  await database.retry(async () => {
    const provider = { getMigrations: () => Promise.resolve({ ...migrations }) }
    const { error } = await new Migrator({ db: database.kysely, provider }).migrateToLatest()
    if (error !== undefined) throw error
  })
}

/** Names of the migrations that the database has; none when it is new. */
function executedMigrations(database: SqliteDatabase): Promise<readonly string[]> {
  return database.retry(async () => {
    const tables = await database.kysely.introspection.getTables({ withInternalKyselyTables: true })
    if (!tables.some(({ name }) => name === 'kysely_migration')) return []
    const rows = await database.kysely
      .withTables<{ kysely_migration: { name: string } }>()
      .selectFrom('kysely_migration')
      .select('name')
      .execute()
    return rows.map(({ name }) => name)
  })
}

/** `memory.db.schema-1`: everything as it was before the migration. */
async function copyBefore(database: SqliteDatabase, version: number): Promise<void> {
  const copy = `${database.path}.schema-${version}`
  const temporary = `${copy}.tmp`
  await rm(temporary, { force: true })
  await database.retry(() => database.execute(`vacuum into '${temporary.replaceAll("'", "''")}'`))
  await chmod(temporary, 0o600)
  const handle = await open(temporary, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, copy)
}
