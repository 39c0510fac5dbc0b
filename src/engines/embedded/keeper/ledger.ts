import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Scope, scopeName } from '../../../model/app.ts'
import { diskFull } from '../../../model/disk-full.ts'
import { DeployError } from '../../../model/failure.ts'
import type { FencingToken } from '../../../model/rollout.ts'
import type { ProcessIdentity } from '../../../os/process-identity.ts'
import type { MigrationRecord } from './protocol.ts'
import type { ReplicaRecord } from './replica/replica-record.ts'

const LEDGER_VERSION = 1
const SQLITE_BUSY = 5
const SQLITE_FULL = 13

const TABLES = `
create table if not exists replica (scope text, name text, record text not null, primary key (scope, name)) strict;
create table if not exists migration (scope text, revision integer, record text not null, primary key (scope, revision)) strict;
create table if not exists fence (scope text primary key, token integer not null) strict;
create table if not exists port (port integer primary key, scope text not null, replica text not null) strict;
create table if not exists singleton (name text primary key, value text not null) strict;
`

/**
 * What the keeper writes down, in SQLite, and its lock in one: while the file is held exclusively no second keeper of the
 * data folder can be. The lock is the kernel's and ends with the process, however that ends. Writes are synchronous and
 * durable (WAL, synchronous=FULL), so "written before anything else" is the order of lines.
 */
export class Ledger {
  readonly #db: DatabaseSync
  readonly #path: string

  private constructor(db: DatabaseSync, path: string) {
    this.#db = db
    this.#path = path
  }

  /** null: another keeper holds it. Throws ENGINE_PROTOCOL when a newer Naru wrote it. */
  static open(folder: string): Ledger | null {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const path = join(folder, 'keeper.db')
    const db = new DatabaseSync(path, { timeout: 0 })
    try {
      db.exec('pragma locking_mode = exclusive; pragma journal_mode = wal; pragma synchronous = full; begin exclusive')
      checkVersion(db, path)
      db.exec(`${TABLES} pragma user_version = ${LEDGER_VERSION}; commit`)
      return new Ledger(db, path)
    } catch (failed) {
      db.close()
      if ((failed as { errcode?: number }).errcode === SQLITE_BUSY) return null
      throw failed
    }
  }

  /** Lets go of the lock. Safe twice. */
  close(): void {
    if (this.#db.isOpen) this.#db.close()
  }

  replicas(): ReplicaRecord[] {
    return this.#all('select record from replica order by scope, name').map((row) => JSON.parse(row.record ?? ''))
  }

  saveReplica(record: ReplicaRecord): void {
    const { scope, replica } = record.spec.place
    this.#run('insert or replace into replica values (?, ?, ?)', scopeName(scope), replica, JSON.stringify(record))
  }

  /** Forgets a replica and gives its port back. */
  dropReplica(scope: Scope, replica: string): void {
    this.#together(() => {
      this.#run('delete from replica where scope = ? and name = ?', scopeName(scope), replica)
      this.#run('delete from port where scope = ? and replica = ?', scopeName(scope), replica)
    })
  }

  migrations(): MigrationRecord[] {
    return this.#all('select record from migration').map((row) => JSON.parse(row.record ?? ''))
  }

  saveMigration(record: MigrationRecord): void {
    const { scope, revision } = record.spec.place
    this.#run('insert or replace into migration values (?, ?, ?)', scopeName(scope), revision, JSON.stringify(record))
  }

  dropMigration(scope: Scope, revision: number): void {
    this.#run('delete from migration where scope = ? and revision = ?', scopeName(scope), revision)
  }

  /** Remembers the token; FENCED when a newer one was here before. */
  fence(scope: Scope, token: FencingToken): void {
    const name = scopeName(scope)
    const seen = Number(this.#all('select token from fence where scope = ?', name)[0]?.token ?? 0)
    if (token < seen) throw fenced(name, token, seen)
    if (token > seen) this.#run('insert or replace into fence values (?, ?)', name, token)
  }

  ports(): { port: number; scope: string; replica: string }[] {
    return this.#all('select port, scope, replica from port').map((row) => ({
      port: Number(row.port),
      scope: row.scope ?? '',
      replica: row.replica ?? '',
    }))
  }

  reservePort(port: number, scope: Scope, replica: string): void {
    this.#together(() => {
      this.#run('insert into port values (?, ?, ?)', port, scopeName(scope), replica)
      this.#run("insert or replace into singleton values ('lastPort', ?)", String(port))
    })
  }

  /** The port that was given away last; null: none yet. */
  lastPort(): number | null {
    const text = this.#singleton('lastPort')
    return text === null ? null : Number(text)
  }

  router(): ProcessIdentity | null {
    const text = this.#singleton('router')
    return text === null ? null : JSON.parse(text)
  }

  saveRouter(identity: ProcessIdentity | null): void {
    if (identity === null) this.#run("delete from singleton where name = 'router'")
    else this.#run("insert or replace into singleton values ('router', ?)", JSON.stringify(identity))
  }

  #singleton(name: string): string | null {
    return this.#all('select value from singleton where name = ?', name)[0]?.value ?? null
  }

  #all(sql: string, ...values: (string | number)[]): Record<string, string | undefined>[] {
    return this.#db.prepare(sql).all(...values) as Record<string, string | undefined>[]
  }

  /** One transaction: one write to the disk, all of it or nothing. */
  #together(writes: () => void): void {
    this.#run('begin')
    try {
      writes()
      this.#run('commit')
    } catch (failed) {
      // SQLite rolls back by itself when the disk is full.
      if (this.#db.isTransaction) this.#db.exec('rollback')
      throw failed
    }
  }

  #run(sql: string, ...values: (string | number)[]): void {
    try {
      this.#db.prepare(sql).run(...values)
    } catch (failed) {
      const full = (failed as { errcode?: number }).errcode === SQLITE_FULL
      throw full ? diskFull(Object.assign(failed as Error, { code: 'ENOSPC' }), `writing ${this.#path}`) : failed
    }
  }
}

function fenced(scope: string, token: FencingToken, seen: FencingToken): DeployError {
  return new DeployError('FENCED', `token ${token} of ${scope} is older than ${seen}: somebody else took over`, {
    hint: `Nothing was changed. Look at what runs now with: naru status`,
    detail: { scope, token, seen },
  })
}

function checkVersion(db: DatabaseSync, path: string): void {
  const version = Number(db.prepare('pragma user_version').get()?.user_version ?? 0)
  if (version <= LEDGER_VERSION) return
  throw new DeployError('ENGINE_PROTOCOL', `${path} was written by a newer Naru (version ${version})`, {
    hint: 'What runs goes on. Use the newer naru again.',
    detail: { version, known: LEDGER_VERSION },
  })
}
