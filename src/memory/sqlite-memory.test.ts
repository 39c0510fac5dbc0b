import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../os/system-clock.ts'
import { describeMemory } from './memory.contract.ts'
import { MIGRATIONS } from './migrations.ts'
import { openDatabase } from './sqlite-database.ts'
import { openSqliteMemory } from './sqlite-memory.ts'
import { aRelease, anEvent, SHOP } from './testing.ts'

const signal = new AbortController().signal
const here = (file: string) => JSON.stringify(fileURLToPath(new URL(file, import.meta.url)))

const optionsOf = (folder: string) => ({ folder, keyFile: join(folder, 'secret.key'), clock: systemClock, signal })

describeMemory('memory in SQLite', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'naru-memory-'))
  return {
    open: () => openSqliteMemory(optionsOf(folder)),
    openInChild: `
      import { openSqliteMemory } from ${here('./sqlite-memory.ts')}
      import { systemClock } from ${here('../os/system-clock.ts')}
      const signal = new AbortController().signal
      const folder = ${JSON.stringify(folder)}
      const memory = await openSqliteMemory({ folder, keyFile: folder + '/secret.key', clock: systemClock, signal })`,
    storedBytes: () => Buffer.concat(readdirSync(folder).map((name) => readFileSync(join(folder, name)))),
    remove: async () => rmSync(folder, { recursive: true, force: true }),
  }
})

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'naru-memory-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('the database', () => {
  it('syncs every commit: WAL and synchronous=FULL are read back', async () => {
    const database = await openDatabase({ folder, clock: systemClock, signal })
    expect(database.pragma('journal_mode')).toBe('wal')
    expect(database.pragma('synchronous')).toBe(2)
    expect(database.pragma('foreign_keys')).toBe(1)
    database.close()
  })

  it('can be read by its owner only, with all its files', async () => {
    const memory = await openSqliteMemory(optionsOf(join(folder, 'new')))
    await memory.setSecret(SHOP, 'A', 'x', 'kim', 1)
    for (const name of readdirSync(join(folder, 'new'))) {
      expect([name, statSync(join(folder, 'new', name)).mode & 0o077]).toEqual([name, 0])
    }
    expect(statSync(join(folder, 'new')).mode & 0o077).toBe(0)
    await memory.close()
  })

  it('refuses a database of a newer Naru, and says both versions', async () => {
    await (await openSqliteMemory(optionsOf(folder))).close()
    const raw = new DatabaseSync(join(folder, 'memory.db'))
    raw.exec("insert into kysely_migration values ('0099', '2030-01-01')")
    raw.close()
    const before = readFileSync(join(folder, 'memory.db'))
    await expect(openSqliteMemory(optionsOf(folder))).rejects.toMatchObject({
      code: 'MEMORY_NEWER',
      message: expect.stringContaining('schema 99, and this Naru knows up to 1'),
    })
    expect(readFileSync(join(folder, 'memory.db')).equals(before)).toBe(true)
  })

  it('makes a copy before it migrates, and a failed migration changes nothing', async () => {
    const memory = await openSqliteMemory(optionsOf(folder))
    const { token } = await memory.acquireLease(SHOP, 'a', 1000, 1)
    await memory.addRelease(aRelease(), token)
    await memory.close()
    const next = {
      up: async (db: Parameters<(typeof MIGRATIONS)[string]['up']>[0]) =>
        void (await sql`create table later (a text)`.execute(db)),
    }
    const broken = { up: () => Promise.reject(new Error('broken migration')) }
    const open = (migrations: typeof MIGRATIONS) =>
      openDatabase({ folder, clock: systemClock, signal, migrations: { ...MIGRATIONS, ...migrations } })
    await expect(open({ '0002': next, '0003': broken })).rejects.toThrow('broken migration')
    await (await openSqliteMemory(optionsOf(folder))).close()
    const migrated = await open({ '0002': next })
    expect(migrated.pragma('table_info(later)')).not.toBeUndefined()
    migrated.close()
    const copy = new DatabaseSync(join(folder, 'memory.db.schema-1'), { readOnly: true })
    expect(copy.prepare('select count(*) as n from releases').get()).toMatchObject({ n: 1 })
    copy.close()
    expect(statSync(join(folder, 'memory.db.schema-1')).mode & 0o777).toBe(0o600)
    await expect(openSqliteMemory(optionsOf(folder))).rejects.toMatchObject({ code: 'MEMORY_NEWER' })
  })

  it('frees the leases of killed processes for whoever holds the folder, and refuses what those still send', async () => {
    const killed = await openSqliteMemory(optionsOf(folder))
    const { token } = await killed.acquireLease(SHOP, 'killed', 600_000, Date.now())
    const memory = await openSqliteMemory({ ...optionsOf(folder), alone: true })
    await expect(killed.addRelease(aRelease(), token)).rejects.toMatchObject({ code: 'LEASE_LOST' })
    const next = await memory.acquireLease(SHOP, 'next', 600_000, Date.now())
    expect(next.token).toBeGreaterThan(token)
    await expect(killed.addRelease(aRelease(), token)).rejects.toMatchObject({ code: 'LEASE_LOST' })
    await killed.close()
    await memory.close()
  })

  it('migrates once when several open it at once', async () => {
    const opened = await Promise.all(Array.from({ length: 8 }, () => openSqliteMemory(optionsOf(folder))))
    for (const memory of opened) await memory.close()
  })

  it('tells a damaged file, a folder that is a file, and one that cannot be written', async () => {
    mkdirSync(join(folder, 'damaged'))
    writeFileSync(
      join(folder, 'damaged/memory.db'),
      'not a database at all, but long enough to be looked at '.repeat(100),
    )
    await expect(openSqliteMemory(optionsOf(join(folder, 'damaged')))).rejects.toMatchObject({
      code: 'MEMORY_UNUSABLE',
      message: expect.stringContaining('is no SQLite database'),
    })
    writeFileSync(join(folder, 'file'), '')
    await expect(openSqliteMemory(optionsOf(join(folder, 'file')))).rejects.toMatchObject({ code: 'MEMORY_UNUSABLE' })
  })

  it('waits for a lock without stopping the event loop, then goes through', async () => {
    const memory = await openSqliteMemory(optionsOf(folder))
    const other = new DatabaseSync(join(folder, 'memory.db'))
    other.exec('begin immediate')
    const write = memory.appendEvents('op', [anEvent(1)])
    expect(await memory.events('op', 0)).toEqual([])
    other.exec('commit')
    await write
    expect(await memory.events('op', 0)).toHaveLength(1)
    other.close()
    await memory.close()
  })

  it('gives up on a lock that stays, and has lost nothing (F13)', async () => {
    const database = await openDatabase({ folder, clock: systemClock, signal, lockDeadlineMs: 200 })
    const other = new DatabaseSync(join(folder, 'memory.db'))
    other.exec('begin immediate')
    const write = () =>
      database.write((tx) => tx.insertInto('desired').values({ app: 'a', environment: 'b', body: '{}' }).execute())
    await expect(write()).rejects.toMatchObject({
      code: 'MEMORY_UNUSABLE',
      message: expect.stringContaining('was locked by another process'),
    })
    other.exec('rollback')
    other.close()
    await write()
    database.close()
  })

  it('stops waiting for a lock when it is told to', async () => {
    const stop = new AbortController()
    const memory = await openSqliteMemory({ ...optionsOf(folder), signal: stop.signal })
    const other = new DatabaseSync(join(folder, 'memory.db'))
    other.exec('begin immediate')
    const write = memory.appendEvents('op', [anEvent(1)])
    stop.abort(new Error('told to stop'))
    await expect(write).rejects.toThrow('told to stop')
    other.close()
    await memory.close()
  })
})

describe('the key file', () => {
  it('is made with the first secret, and not when it was lost', async () => {
    const memory = await openSqliteMemory(optionsOf(folder))
    const key = join(folder, 'secret.key')
    expect(existsSync(key)).toBe(false)
    await memory.setSecret(SHOP, 'A', 'value', 'kim', 1)
    const content = readFileSync(key)
    rmSync(key)
    await expect(memory.setSecret(SHOP, 'B', 'value', 'kim', 1)).rejects.toMatchObject({ code: 'SECRET_KEY_UNUSABLE' })
    await expect(memory.openSecrets(SHOP, { A: 1 })).rejects.toMatchObject({ code: 'SECRET_KEY_UNUSABLE' })
    writeFileSync(key, content, { mode: 0o600 })
    expect(await memory.openSecrets(SHOP, { A: 1 })).toEqual({ A: 'value' })
    chmodSync(key, 0o640)
    await expect(memory.openSecrets(SHOP, { A: 1 })).rejects.toMatchObject({ code: 'SECRET_KEY_UNUSABLE' })
    await memory.close()
  })

  it('rotates by a new first line: old secrets open, new ones are sealed with the new key', async () => {
    const memory = await openSqliteMemory(optionsOf(folder))
    const key = join(folder, 'secret.key')
    await memory.setSecret(SHOP, 'A', 'old', 'kim', 1)
    const old = readFileSync(key, 'utf8')
    const fresh = `${Buffer.alloc(32, 7).toString('base64')}\n`
    writeFileSync(key, fresh + old, { mode: 0o600 })
    await memory.setSecret(SHOP, 'B', 'new', 'kim', 1)
    expect(await memory.openSecrets(SHOP, { A: 1, B: 1 })).toEqual({ A: 'old', B: 'new' })
    writeFileSync(key, fresh, { mode: 0o600 })
    expect(await memory.openSecrets(SHOP, { B: 1 })).toEqual({ B: 'new' })
    await expect(memory.openSecrets(SHOP, { A: 1 })).rejects.toMatchObject({ code: 'SECRET_KEY_UNUSABLE' })
    await memory.close()
  })

  it('does not open a sealed text that was moved to another secret in the database', async () => {
    const memory = await openSqliteMemory(optionsOf(folder))
    await memory.setSecret(SHOP, 'A', 'mine', 'kim', 1)
    await memory.setSecret(SHOP, 'B', 'yours', 'kim', 1)
    const raw = new DatabaseSync(join(folder, 'memory.db'))
    raw.exec(
      "update secret_versions set sealed = (select sealed from secret_versions where name = 'B') where name = 'A'",
    )
    raw.close()
    await expect(memory.openSecrets(SHOP, { A: 1 })).rejects.toMatchObject({ code: 'SECRET_KEY_UNUSABLE' })
    await memory.close()
  })
})

const root = process.getuid?.() === 0

describe('a full disk', () => {
  it.skipIf(!root)(
    'is told, loses nothing, and is over when there is room again (F6; needs root for a tmpfs)',
    async () => {
      const small = join(folder, 'small')
      mkdirSync(small)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small])
      try {
        const memory = await openSqliteMemory(optionsOf(small))
        const { token } = await memory.acquireLease(SHOP, 'a', 1000, 1)
        await memory.addRelease(aRelease(), token)
        writeFileSync(join(small, 'ballast'), '')
        const fill = () =>
          execFileSync('dd', ['if=/dev/zero', `of=${join(small, 'ballast')}`, 'bs=4k', 'count=1000'], {
            stdio: 'ignore',
          })
        expect(fill).toThrow()
        let acknowledged = 0
        const writes = async () => {
          for (;;) {
            await memory.addRelease(aRelease({ createdBy: 'x'.repeat(20_000) }), token)
            acknowledged++
          }
        }
        await expect(writes()).rejects.toMatchObject({
          code: 'DISK_FULL',
          message: expect.stringContaining('memory.db'),
        })
        expect(await memory.releases(SHOP)).toHaveLength(1 + acknowledged)
        rmSync(join(small, 'ballast'))
        expect((await memory.addRelease(aRelease(), token)).revision).toBe(2 + acknowledged)
        await memory.close()
        const again = await openSqliteMemory(optionsOf(small))
        expect(await again.releases(SHOP)).toHaveLength(2 + acknowledged)
        await again.close()
      } finally {
        execFileSync('umount', [small])
      }
    },
  )

  it.skipIf(!root)('is told when there is no room to begin with (needs root for a tmpfs)', async () => {
    const small = join(folder, 'small')
    mkdirSync(small)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small])
    try {
      await expect(openSqliteMemory(optionsOf(small))).rejects.toMatchObject({ code: 'DISK_FULL' })
    } finally {
      execFileSync('umount', [small])
    }
  })
})
