import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { App, Role } from '../model/app.ts'
import type { ObservedReplica } from '../model/observed.ts'
import type { Release } from '../model/release.ts'
import type { EngineStep, StartStep } from '../model/step.ts'
import type { Engine, Order } from './engine.ts'
import { aRole } from '../model/testing.ts'
import { aRelease, anApp, anOrder } from './testing.ts'

/** A place with an engine, for the contract. */
export interface EngineUnderTest {
  /** The engine as a new server would see the place. The one before it is gone, as after kill -9. */
  again(): Promise<Engine>
  /** Fills in the artifact: an image whose program is test/fixtures/contract-app.mjs, user, WORKDIR and STOPSIGNAL as in `image`. */
  publish(release: Release): Promise<Release>
  readonly image: {
    readonly uid: number | null
    readonly cwd: string | null
    readonly stopSignal: string
    /** Whether a program finds /dev/stderr: where nothing can be mounted there is no /proc behind it. */
    readonly devStderr: boolean
  }
  /** Where a secret file may stand in a replica. */
  readonly secretFile: string | null
  /** kill -9 of the process that is the replicas' parent; null: there is none (the engine of somebody else). */
  readonly killParent: (() => Promise<void>) | null
  /** Every byte that the engine has written down: no secret may be in it. */
  written(): Promise<string>
  close(): Promise<void>
}

const DEADLINE = { timeout: 30_000, interval: 20 }
const SIGNAL = () => AbortSignal.timeout(60_000)

/** What every engine that starts replicas itself must do, the same for all. */
export function describeEngine(name: string, make: () => Promise<EngineUnderTest>): void {
  describe(`engine ${name}`, { timeout: 90_000 }, () => {
    let place: EngineUnderTest
    let engine: Engine
    let apps = 0
    const reports: string[] = []

    beforeAll(async () => {
      place = await make()
      engine = await place.again()
    }, 120_000)
    afterAll(() => place.close(), 120_000)

    const apply = (step: EngineStep, order: Order) =>
      engine.apply(step, order, (happening) => happening.kind === 'log' && reports.push(happening.line), SIGNAL())
    const published = (role: Partial<Role> = {}, app: Partial<App> = {}, revision = 1) =>
      place.publish(aRelease(anApp({ app: `shop${++apps}`, roles: [aRole(role)], ...app }), { revision }))
    const step = (kind: 'start' | 'remove', replica = 'web-1-1'): EngineStep => ({
      kind,
      replica,
      role: 'web',
      revision: Number(replica.split('-').at(-2)),
      cause: 'test',
    })
    const stop = (graceSeconds = 30, replica = 'web-1-1'): EngineStep => ({
      ...(step('remove', replica) as Extract<EngineStep, { kind: 'remove' }>),
      kind: 'stop',
      graceSeconds,
    })
    const prepare: EngineStep = { kind: 'prepare', revision: 1, cause: 'test' }
    const migrate: EngineStep = { kind: 'migrate', revision: 1, cause: 'test' }

    const observe = async (order: Order, replica = 'web-1-1'): Promise<ObservedReplica | undefined> =>
      (await engine.observe(order.scope, SIGNAL())).replicas.find(({ id }) => id === replica)
    const until = async (order: Order, expected: object, replica = 'web-1-1'): Promise<ObservedReplica> => {
      let seen: ObservedReplica | undefined
      await vi.waitFor(async () => {
        seen = await observe(order, replica)
        expect(seen).toMatchObject(expected)
      }, DEADLINE)
      return seen as ObservedReplica
    }
    const ask = async (replica: ObservedReplica, path: string) =>
      fetch(`http://${replica.address?.host}:${replica.address?.port}${path}`)
    const started = async (role: Partial<Role> = {}, app: Partial<App> = {}, secrets: Record<string, string> = {}) => {
      const order = anOrder(await published(role, app), { secrets })
      await apply(prepare, order)
      await apply(step('start'), order)
      return order
    }
    const running = async (...of: Parameters<typeof started>) => {
      const order = await started(...of)
      return { order, replica: await until(order, { phase: 'Running', ready: true }) }
    }
    const removed = async (order: Order, replica = 'web-1-1') => {
      await apply(stop(0, replica), order)
      if ((await observe(order, replica)) !== undefined) await until(order, { phase: 'Exited' }, replica)
      await apply(step('remove', replica), order)
      expect(await observe(order, replica)).toBeUndefined()
    }
    const logOf = async (order: Order, replica = 'web-1-1') => {
      const lines: string[] = []
      const options = { role: null, replica, revision: null, follow: false, tail: Number.POSITIVE_INFINITY }
      for await (const { line } of engine.logs(order.scope, options, SIGNAL())) lines.push(line)
      return lines
    }

    it('prepares, starts, stops and removes a replica, each step done twice', async () => {
      const order = await started()
      await apply(prepare, order)
      await apply(step('start'), order)
      const replica = await until(order, { phase: 'Running', ready: true, restarts: 0, lastExit: null })
      expect(replica).toMatchObject({ role: 'web', revision: 1, stopSentAtMs: null })
      expect(replica.readySinceMs).toBeGreaterThanOrEqual(replica.startedAtMs)
      expect((await ask(replica, '/')).status).toBe(200)
      await apply(stop(), order)
      await apply(stop(), order)
      const exited = await until(order, { phase: 'Exited', ready: false })
      expect(exited.lastExit).toMatchObject({ known: true, code: 0, signal: null, cut: 0 })
      expect(exited.stopSentAtMs).not.toBeNull()
      await apply(step('remove'), order)
      await apply(step('remove'), order)
      expect(await observe(order)).toBeUndefined()
      expect((await logOf(order)).filter((line) => line.startsWith('started'))).toHaveLength(1)
    })

    it('runs two revisions side by side, each on an address of its own', async () => {
      const first = await running()
      const second = anOrder({ ...first.order.release, revision: 2 })
      await apply({ ...prepare, revision: 2 }, second)
      await apply(step('start', 'web-2-1'), second)
      const replica = await until(second, { phase: 'Running', ready: true, revision: 2 }, 'web-2-1')
      expect(replica.address).not.toEqual(first.replica.address)
      expect((await engine.observe(second.scope, SIGNAL())).replicas).toHaveLength(2)
      await removed(second, 'web-2-1')
      await removed(first.order)
    })

    it('refuses every step with an older token, and has changed nothing then', async () => {
      const { order } = await running()
      await apply(step('start'), { ...order, token: 5 })
      for (const late of [prepare, migrate, step('start', 'web-1-2'), stop(), step('remove')]) {
        await expect(apply(late, { ...order, token: 4 })).rejects.toMatchObject({ code: 'FENCED' })
      }
      await expect(engine.prune(order.scope, [], 4, SIGNAL())).rejects.toMatchObject({ code: 'FENCED' })
      expect(await observe(order, 'web-1-2')).toBeUndefined()
      await until(order, { phase: 'Running', ready: true })
      await removed({ ...order, token: 5 })
    })

    it('starts a crashed replica again, counts, and keeps how it ended', async () => {
      const { order, replica } = await running()
      await ask(replica, '/exit?code=3').catch(() => {})
      const back = await until(order, { phase: 'Running', ready: true, restarts: 1 })
      expect(back.lastExit).toMatchObject({
        known: true,
        code: 3,
        signal: null,
        startFailure: null,
        outOfMemory: false,
      })
      expect(back.lastExit?.logTail.join('\n')).toContain('started')
      expect(back.address).toEqual(replica.address)
      await removed(order)
    })

    it('makes ready what is foreseen and runs nothing of it, and starts it or forgets it', async () => {
      const order = anOrder(await published())
      await apply(prepare, order)
      const starts = ['web-1-1', 'web-1-2'].map((replica) => step('start', replica) as StartStep)
      engine.foresee?.(starts, order)
      engine.foresee?.(starts, order)
      await apply(step('start'), order)
      const replica = await until(order, { phase: 'Running', ready: true, restarts: 0 })
      expect((await ask(replica, '/')).status).toBe(200)
      expect(await observe(order, 'web-1-2')).toBeUndefined()
      engine.foresee?.([], order)
      await apply(step('start', 'web-1-2'), order)
      await until(order, { phase: 'Running', ready: true, restarts: 0 }, 'web-1-2')
      for (const id of ['web-1-1', 'web-1-2']) await removed(order, id)
    })

    it('tells why a replica that cannot start exits, and waits longer each time', async () => {
      const order = await started({ env: { EXIT_CODE: '7' } })
      const crashed = await until(order, {
        phase: 'Pending',
        restarts: expect.toSatisfy((count: number) => count >= 3),
      })
      expect(crashed.lastExit).toMatchObject({ known: true, code: 7 })
      expect(crashed.lastExit?.logTail).toContain('fatal: no database')
      await removed(order)
    })

    it('tells that the program is not there', async () => {
      const order = anOrder(await published({ run: ['/no/such/program'] }))
      await apply(prepare, order)
      // An engine that can see into the image says it at the start, another one when it was tried.
      const refused = await apply(step('start'), order).then(
        () => null,
        (failed: unknown) => failed,
      )
      if (refused !== null) expect(refused).toMatchObject({ code: 'REPLICA_PROGRAM_NOT_FOUND' })
      else await until(order, { ready: false, lastExit: { startFailure: 'program-not-found' } })
      await removed(order)
    })

    it('tells on which port a replica listens instead of the one it was told', async () => {
      const other = await freePort()
      const order = await started({ env: { LISTEN_ON: String(other) } })
      const replica = await until(order, {
        ready: false,
        listens: [other],
        lastProbe: { ok: false, reason: 'refused' },
      })
      expect(replica.address?.port).not.toBe(other)
      await removed(order)
    })

    it('makes a replica unready when its check fails, and never restarts it for that', async () => {
      const { order, replica } = await running()
      await ask(replica, '/unready')
      const sick = await until(order, { phase: 'Running', ready: false, lastProbe: { ok: false, reason: 'status' } })
      expect(sick).toMatchObject({ restarts: 0, readySinceMs: null, pid: replica.pid })
      await removed(order)
    })

    it('takes a role without port and check as ready when it runs', async () => {
      const order = await started({ port: null, readiness: 'image' })
      await until(order, { phase: 'Running', ready: true, address: null })
      await removed(order)
    })

    it('kills what ignores the stop signal after the grace period, and counts the connections that this cuts', async () => {
      const { order, replica } = await running({ env: { IGNORE_STOP: '1' } })
      const client = connect(replica.address?.port ?? 0, replica.address?.host)
      client.on('error', () => {})
      client.write('GET /hang HTTP/1.1\r\nhost: x\r\n\r\n')
      await new Promise((resolve) => client.once('data', resolve))
      await apply(stop(1), order)
      expect(await observe(order)).toMatchObject({ phase: 'Terminating' })
      const killed = await until(order, { phase: 'Exited' })
      expect(killed.lastExit).toMatchObject({ cut: 1 })
      client.destroy()
      await apply(step('remove'), order)
    })

    it('gives secrets as environment and file, and writes them down nowhere else', async () => {
      const secrets = { DB_PASSWORD: 'canary-env-8c1f', KEY: 'canary-file-77aa' }
      const uses = [
        { name: 'DB_PASSWORD', file: null },
        ...(place.secretFile === null ? [] : [{ name: 'KEY', file: place.secretFile }]),
      ]
      const env = place.secretFile === null ? {} : { SECRET_FILE: place.secretFile }
      const { order, replica } = await running({ env }, { secrets: uses }, secrets)
      const facts = (await (await ask(replica, '/facts')).json()) as { env: Record<string, string>; secretFile: string }
      expect(facts.env.DB_PASSWORD).toBe(secrets.DB_PASSWORD)
      if (place.secretFile !== null) expect(facts.secretFile).toBe(secrets.KEY)
      expect(await place.written()).not.toContain('canary-env')
      await removed(order)
      expect(await place.written()).not.toContain('canary-')
    })

    it("runs as the image's user, in its working directory, and stops by its signal", async () => {
      const { order, replica } = await running({ env: { FROM_ROLE: 'role' } }, { env: { FROM_APP: 'app' } })
      const facts = (await (await ask(replica, '/facts')).json()) as {
        env: Record<string, string>
        cwd: string
        uid: number
      }
      expect(facts.env).toMatchObject({ FROM_ROLE: 'role', FROM_APP: 'app' })
      if (place.image.uid !== null) expect(facts.uid).toBe(place.image.uid)
      if (place.image.cwd !== null) expect(facts.cwd).toBe(place.image.cwd)
      await apply(stop(), order)
      await until(order, { phase: 'Exited' })
      expect(await logOf(order)).toContain(`got ${place.image.stopSignal}`)
      await apply(step('remove'), order)
    })

    it('lets a program open its /dev/stderr anew, as nginx does, and keeps what it writes there', async ({ skip }) => {
      skip(!place.image.devStderr, 'left out: no /proc behind /dev/stderr')
      const { order } = await running({ env: { REOPEN: '/dev/stderr' } })
      expect(await logOf(order)).toContain('opened anew')
      await removed(order)
    })

    it('shows the last lines of a log, and follows it over a restart', async () => {
      const { order, replica } = await running({ env: { LINES: '50' } })
      const following = new AbortController()
      const seen: string[] = []
      const options = { role: null, replica: null, revision: null, follow: true, tail: 2 }
      const done = (async () => {
        for await (const { line } of engine.logs(order.scope, options, following.signal)) seen.push(line)
      })()
      await vi.waitFor(() => expect(seen).toEqual(['line 49', 'line 50']), DEADLINE)
      await ask(replica, '/exit?code=0').catch(() => {})
      await vi.waitFor(() => expect(seen).toHaveLength(53), DEADLINE)
      following.abort()
      await done
      await removed(order)
    })

    it('wakes who waits for changes', async () => {
      const { order, replica } = await running()
      const waiting = new AbortController()
      const changes = engine.changes(order.scope, waiting.signal)[Symbol.asyncIterator]()
      await changes.next()
      const next = changes.next()
      await ask(replica, '/exit?code=0').catch(() => {})
      expect((await next).done).toBe(false)
      waiting.abort()
      await removed(order)
    })

    it('runs migrate once, shows its log, and answers the second time as the first', async () => {
      const run = ['node', 'contract-app.mjs']
      const fine = { run, timeoutSeconds: 30 }
      const order = anOrder(await published({}, { migrate: fine, env: { EXIT_CODE: '0', LINES: '2' } }))
      await apply(prepare, order)
      reports.length = 0
      await Promise.all([apply(migrate, order), apply(migrate, order)])
      await apply(migrate, order)
      expect(reports.filter((line) => line === 'line 2').length).toBeGreaterThan(0)
      expect((await logOf(order, 'migrate-1')).filter((line) => line.startsWith('started'))).toHaveLength(1)
      const bad = anOrder(await published({}, { migrate: fine, env: { EXIT_CODE: '9' } }))
      await apply(prepare, bad)
      for (const _twice of [1, 2]) {
        await expect(apply(migrate, bad)).rejects.toMatchObject({ code: 'MIGRATE_FAILED', detail: { exitCode: 9 } })
      }
    })

    it('goes on without the server, and is adopted by the next one as it was', async () => {
      const { order, replica } = await running()
      engine = await place.again()
      const adopted = await observe(order)
      expect(adopted).toMatchObject({ phase: 'Running', ready: true, pid: replica.pid, restarts: 0 })
      expect(adopted?.readySinceMs).toBe(replica.readySinceMs)
      await removed(order)
    })

    it("goes on when its replicas' parent is killed, and its successor watches, stops and removes them", async ({
      skip,
    }) => {
      const kill = place.killParent
      if (kill === null) return skip('no parent of ours')
      const { order, replica } = await running()
      const second = await running()
      await kill()
      expect((await ask(replica, '/')).status).toBe(200)
      const adopted = await until(order, { phase: 'Running', ready: true })
      expect(adopted).toMatchObject({ pid: replica.pid, restarts: 0 })
      await ask(second.replica, '/exit?code=3').catch(() => {})
      const restarted = await until(second.order, { phase: 'Running', ready: true, restarts: 1 })
      expect(restarted.lastExit).toMatchObject({ known: false, code: null })
      await expect(apply(stop(), { ...order, token: 0 })).rejects.toMatchObject({ code: 'FENCED' })
      await removed(order)
      await removed(second.order)
    })
  })
}

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
