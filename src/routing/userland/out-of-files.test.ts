import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { expect, it } from 'vitest'
import { ask, freePort, StubKeeper, startReplica, until } from '../testing.ts'

/** Some of them fit into what is allowed beyond what is open already, and not all. */
const ALLOWED = 20
const CLIENTS = 60

const missing = spawnSync('prlimit', ['--version']).status === 0 ? null : 'needs prlimit'

it.skipIf(missing !== null).each(['handles', 'net'] as const)(
  `outlives having no file descriptor left, with sockets by %s${missing ?? ''}`,
  { timeout: 120_000 },
  async (sockets) => {
    const { signal } = new AbortController()
    const scope = { app: 'shop', environment: 'prod' }
    const keeper = await StubKeeper.open('none', sockets)
    const replica = await startReplica('web-1-1', 1)
    try {
      const listen = { host: '127.0.0.1', port: await freePort() }
      await keeper.client.publish(scope, [{ role: 'web', listen }], 1, signal)
      await keeper.client.admit(scope, replica.target, 1, signal)
      await ask(listen)
      const { pid } = keeper.child
      const files = () => readdirSync(`/proc/${pid}/fd`).length
      const allow = (soft: number | 'unlimited') => spawnSync('prlimit', ['--pid', `${pid}`, `--nofile=${soft}:`])
      const before = files()
      allow(before + ALLOWED)
      const ends = await Promise.all(
        Array.from({ length: CLIENTS }, () =>
          ask(listen).then(
            () => 'answered',
            (why: Error) => why.message,
          ),
        ),
      )
      // Each has its end at once: whoever has no place is told so.
      expect(ends).not.toContain('timed out')
      expect(ends).toContain('answered')
      allow(1024)
      await until('all are given back', () => files() <= before)
      for (let n = 0; n < 10; n++) expect((await ask(listen)).replica).toBe('web-1-1')
      expect(keeper.child.pid).toBe(pid)
    } finally {
      await keeper.close()
      await replica.close()
    }
  },
)
