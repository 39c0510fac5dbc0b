import { execFile } from 'node:child_process'
import { createServer, type Server } from 'node:net'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { renderEvents } from '../harness/operation.ts'
import { Stage } from '../harness/stage.ts'

describe('what cannot be done', { timeout: 120_000 }, () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await Stage.open()
  })
  afterAll(async () => {
    expect(await stage.close()).toEqual([])
  })

  it('a published port that somebody else has must be refused before a replica starts', async () => {
    const app = await stage.app('taken')
    await app.commit('good')
    const other = await listen(app.port)
    const ended = await stage.deploy(app)
    expect(ended, renderEvents(ended.events)).toMatchObject({ exit: 10, failures: [{ code: 'PORT_TAKEN' }] })
    expect(ended.end).toMatchObject({ endState: 'all-old' })
    expect(ended.failures[0]?.message).toContain(String(app.port))
    expect(ended.events.filter((event) => event.kind === 'step' && event.step.kind === 'start')).toEqual([])
    await new Promise((resolve) => other.close(resolve))
    expect(await stage.deploy(app)).toMatchObject({ exit: 0 })
  })

  it('a layer that is damaged on the disk must never run (F15)', async () => {
    const app = await stage.app('damaged')
    await app.commit('good', { replicas: 1 })
    await app.write('migrate.mjs', `// ${'x'.repeat(3000)}${Math.random()}\n`)
    await app.commit('good', { replicas: 1 })
    // Built, but not unpacked yet: the damage comes in between.
    const before = new Set(blobs(stage.server.folder))
    const ended = await stage.deploy(app, (event) => {
      if (event.kind !== 'station' || event.station !== 'release' || event.state !== 'started') return
      for (const path of blobs(stage.server.folder)) if (!before.has(path)) flipLastByte(path)
    })
    expect(ended.exit, renderEvents(ended.events)).toBe(10)
    expect(ended.failures[0]?.code).toMatch(/DIGEST_MISMATCH|STORE_CORRUPT|IMAGE_INVALID|IMAGE_NOT_FOUND/)
    expect(ended.events.filter((event) => event.kind === 'step' && event.step.kind === 'start')).toEqual([])
  })

  it('a second server on the same folder must be refused', async () => {
    const serve = join(import.meta.dirname, '..', 'harness', 'serve.ts')
    const second = promisify(execFile)(process.execPath, [serve, stage.server.folder])
    await expect(second).rejects.toThrow(/SERVER_IN_USE|another server works on/)
  })
})

describe('a data folder of a newer schema', { timeout: 120_000 }, () => {
  it('must be refused by name, and left as it is', async () => {
    const stage = await Stage.open()
    await stage.server.kill('SIGTERM')
    const path = join(stage.server.folder, 'memory.db')
    const database = new DatabaseSync(path)
    const tables = database.prepare("select name from sqlite_master where name like '%migration'").all()
    database.exec(`insert into ${String(tables[0]?.name)} (name, timestamp) values ('9999', '2099-01-01')`)
    database.close()
    await expect(stage.server.start()).rejects.toThrow(/MEMORY_NEWER|newer/)
    const again = new DatabaseSync(path)
    again.exec(`delete from ${String(tables[0]?.name)} where name = '9999'`)
    again.close()
    await stage.server.start()
    expect(await stage.close()).toEqual([])
  })
})

function listen(port: number): Promise<Server> {
  const server = createServer()
  return new Promise((resolve) => server.listen({ host: '127.0.0.1', port }, () => resolve(server)))
}

function blobs(folder: string): string[] {
  return readdirSync(join(folder, 'registry'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /^[0-9a-f]{64}$/.test(entry.name))
    .map(({ parentPath, name }) => join(parentPath, name))
}

function flipLastByte(path: string): void {
  const bytes = readFileSync(path)
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  writeFileSync(path, bytes)
}
