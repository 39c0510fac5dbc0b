import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it, vi } from 'vitest'
import type { ProbeResult } from '../../model/observed.ts'
import { identify } from '../../os/process-identity.ts'
import { systemClock } from '../../os/system-clock.ts'
import { readinessProbe } from '../../probe/readiness-probe.ts'
import { aRole } from '../../model/testing.ts'
import { anApp, aRelease } from '../testing.ts'
import { newRecord } from './keeper/replica/replica-record.ts'
import { aSpec } from './keeper/testing.ts'
import { ReadinessWatch } from './readiness-watch.ts'

const UNTIL = { timeout: 15_000, interval: 10 }
let server: Server | null = null
let watch: ReadinessWatch | null = null

afterEach(async () => {
  watch?.close()
  server?.closeAllConnections()
  await new Promise((resolve) => (server === null ? resolve(null) : server.close(resolve)))
})

it('runs a program the less often the longer it takes, and soon again after a no', async () => {
  // How long each check takes, and whether it says yes; then the delay that it is followed by.
  const checks: readonly (readonly [tookMs: number, ok: boolean, delayMs: number])[] = [
    [60, true, 1200],
    [5, true, 500],
    [60, false, 500],
    [60, true, 1200],
    [2000, true, 10_000],
  ]
  let time = 0
  const delays: number[] = []
  const readiness = { kind: 'run', command: ['check'] } as const
  const spec = { ...aSpec(), release: aRelease(anApp({ roles: [aRole({ readiness })] })) }
  watch = new ReadinessWatch({
    probe: readinessProbe(systemClock),
    clock: {
      now: () => time,
      monotonic: () => time,
      sleep: (ms, signal) => {
        delays.push(ms)
        return delays.length < checks.length ? Promise.resolve() : systemClock.sleep(60_000, signal)
      },
    },
    exec: () => {
      const [tookMs = 0, ok] = checks[delays.length] ?? []
      time += tookMs
      const said = ok ? { ok } : { ok: false as const, reason: 'exit' as const, message: 'no', status: null }
      return Promise.resolve({ ...said, atMs: time } as ProbeResult)
    },
    changed: () => {},
  })
  watch.update(null, [{ ...newRecord(spec, 0), state: 'running', process: identify(process.pid) }])
  await vi.waitFor(() => expect(delays).toEqual(checks.map(([, , delayMs]) => delayMs)), UNTIL)
})

it('says since when the same answer came, so that one of them is no proof', async () => {
  let status = 503
  server = createServer((_request, response) => response.writeHead(status).end())
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const startedAtMs = Date.now() - 60_000
  const readiness = { kind: 'http', path: '/', port: null, host: null, expect: null } as const
  const spec = {
    ...aSpec(),
    place: { ...aSpec().place, port },
    release: aRelease(anApp({ roles: [aRole({ readiness })] })),
  }
  const record = { ...newRecord(spec, startedAtMs), state: 'running' as const, process: identify(process.pid) }
  watch = new ReadinessWatch({
    probe: readinessProbe(systemClock),
    clock: systemClock,
    exec: () => Promise.reject(new Error('no check of kind run here')),
    changed: () => {},
  })
  watch.update(null, [record])
  const last = (): ProbeResult | null => watch?.readinessOf(record).lastProbe ?? null
  const failed = (wanted: number) => {
    const probe = last()
    if (probe?.ok !== false || probe.status !== wanted || probe.sinceMs === undefined) throw new Error('not yet')
    return probe
  }
  const first = await vi.waitFor(() => failed(503), UNTIL)
  expect(first.sinceMs).toBeGreaterThan(startedAtMs + 50_000)
  await vi.waitFor(() => expect(failed(503).atMs).toBeGreaterThan(first.atMs), UNTIL)
  expect(failed(503).sinceMs).toBe(first.sinceMs)
  status = 500
  const other = await vi.waitFor(() => failed(500), UNTIL)
  expect(other.sinceMs).toBeGreaterThan(first.sinceMs ?? 0)
  status = 200
  await vi.waitFor(() => expect(watch?.readinessOf(record).ready).toBe(true), UNTIL)
})
