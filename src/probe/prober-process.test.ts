import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { identify, isAlive, signalProcess } from '../os/process-identity.ts'
import { systemClock } from '../os/system-clock.ts'
import type { ProberSpec } from './probe.ts'
import { proberFiles, readIdentity as readIdentityFile } from './prober-files.ts'
import { proberProcess } from './prober-process.ts'

const COMMAND = [process.execPath, join(import.meta.dirname, 'prober-main.ts')]
const prober = proberProcess({ command: COMMAND, clock: systemClock })
const never = new AbortController().signal
const UNTIL = { timeout: 15_000, interval: 20 }

let folder: string
let server: Server
let spec: ProberSpec
/** Local port of each connection → what the router would say. */
let served: Map<number, number>
const revision = 1

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'naru-prober-'))
  served = new Map()
  server = createServer((request, response) => {
    served.set(request.socket.remotePort ?? 0, revision)
    response.end('ok')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  spec = { url: `http://127.0.0.1:${port}/`, host: null, rate: 200, ledger: join(folder, 'ledger'), timeoutMs: 3000 }
})

afterEach(async () => {
  const identity = readIdentity()
  if (identity !== null) signalProcess(identity, 'SIGKILL')
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  rmSync(folder, { recursive: true, force: true })
})

const readIdentity = () => readIdentityFile(proberFiles(spec.ledger).identity)
const hasIpv6 = () =>
  Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'))

const servedBy = async (ports: readonly number[]) => ports.map((port) => served.get(port) ?? null)

it('counts every request once, by the revision that served it', async () => {
  const run = await prober.start(spec, servedBy, never)
  await vi.waitFor(() => expect(run.counts().sent).toBeGreaterThan(50), UNTIL)
  const summary = await run.stop({ from: null, to: 1 })
  expect(summary).toMatchObject({ kind: 'measured', lost: 0, gaps: [] })
  if (summary.kind !== 'measured') return
  expect(summary.sent).toBe(summary.answered)
  expect(summary.byRevision).toEqual({ 1: summary.answered })
  expect(summary.p99.after).not.toBeNull()
})

it('tells what was lost, and why', async () => {
  const run = await prober.start(spec, servedBy, never)
  await vi.waitFor(() => expect(run.counts().sent).toBeGreaterThan(10), UNTIL)
  server.closeAllConnections()
  server.close()
  await vi.waitFor(() => expect(run.counts().lost).toBeGreaterThan(10), UNTIL)
  const summary = await run.stop({ from: null, to: 1 })
  expect(summary).toMatchObject({ kind: 'measured' })
  if (summary.kind === 'measured') expect(summary.lostBy.refused).toBeGreaterThan(5)
})

it('never says that 0 were lost where nothing answered', async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  const run = await prober.start(spec, servedBy, never)
  await vi.waitFor(() => expect(run.counts().lost).toBeGreaterThan(0), UNTIL)
  expect(await run.stop({ from: null, to: 1 })).toMatchObject({
    kind: 'not-measured',
    why: expect.stringContaining('refused'),
  })
})

it('is adopted by a second start, and ends when it is told', async () => {
  await prober.start(spec, servedBy, never)
  const first = readIdentity()
  const run = await prober.start(spec, servedBy, never)
  expect(readIdentity()).toEqual(first)
  await run.stop({ from: null, to: 1 })
  expect(first !== null && isAlive(first)).toBe(false)
  expect(identify(process.pid)).not.toBeNull()
})

it('is started again when it is killed, and tells the time between as a gap', async () => {
  const run = await prober.start(spec, servedBy, never)
  await vi.waitFor(() => expect(run.counts().sent).toBeGreaterThan(10), UNTIL)
  const first = readIdentity()
  if (first !== null) signalProcess(first, 'SIGKILL')
  await vi.waitFor(() => expect(readIdentity()?.pid).not.toBe(first?.pid), UNTIL)
  const before = run.counts().sent
  await vi.waitFor(() => expect(run.counts().sent).toBeGreaterThan(before + 10), UNTIL)
  const summary = await run.stop({ from: null, to: 1 })
  expect(summary).toMatchObject({ kind: 'measured', lost: 0, gaps: [expect.anything()] })
})

it('goes on without its server, and is taken over by the next one', async () => {
  const gone = new AbortController()
  const first = await prober.start(spec, servedBy, gone.signal)
  await vi.waitFor(() => expect(first.counts().sent).toBeGreaterThan(10), UNTIL)
  gone.abort()
  const pid = readIdentity()?.pid
  const run = await prober.start(spec, servedBy, never)
  await vi.waitFor(() => expect(run.counts().sent).toBeGreaterThan(first.counts().sent), UNTIL)
  expect(readIdentity()?.pid).toBe(pid)
  expect(await run.stop({ from: null, to: 1 })).toMatchObject({ kind: 'measured', lost: 0, gaps: [] })
})

it.each<readonly [string, () => void]>([
  [
    'its server stays away',
    () => {
      const dead = { ...identify(process.pid), startTicks: 1 }
      writeFileSync(proberFiles(spec.ledger).owner, JSON.stringify(dead))
    },
  ],
  ['its ledger is deleted', () => rmSync(spec.ledger)],
])('ends by itself when %s', async (_name, lose) => {
  const gone = new AbortController()
  await proberProcess({ command: COMMAND, clock: systemClock, orphanMs: 600 }).start(spec, servedBy, gone.signal)
  const identity = readIdentity()
  gone.abort()
  lose()
  await vi.waitFor(() => expect(identity !== null && isAlive(identity)).toBe(false), UNTIL)
  expect(readIdentity()).toBeNull()
})

it('counts 5xx, cut and foreign answers as lost, each with its reason, and follows no redirect', async () => {
  const ends: ((response: ServerResponse) => void)[] = [
    (response) => response.writeHead(503).end(),
    (response) => response.writeHead(302, { location: '/elsewhere' }).end(),
    (response) => {
      response.writeHead(200, { 'content-length': '10' }).write('half')
      response.socket?.destroySoon()
    },
    (response) => response.socket?.end('SSH-2.0\r\n'),
    (response) => response.socket?.resetAndDestroy(),
  ]
  const paths: string[] = []
  server.removeAllListeners('request')
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    paths.push(request.url ?? '')
    ends[paths.length % ends.length]?.(response)
  })
  const run = await prober.start(spec, servedBy, never)
  await vi.waitFor(() => expect(run.counts().sent).toBeGreaterThan(50), UNTIL)
  const summary = await run.stop({ from: null, to: 1 })
  expect(new Set(paths)).toEqual(new Set(['/']))
  if (summary.kind !== 'measured') throw new Error(summary.why)
  expect(summary.sent).toBe(paths.length)
  expect(summary.otherStatus).toEqual({ 302: summary.answered })
  expect(Object.keys(summary.lostBy).sort()).toEqual(['incomplete', 'reset', 'status-5xx'])
})

it('sends on while nothing answers, and loses what takes too long', async () => {
  server.removeAllListeners('request')
  const waiting: ServerResponse[] = []
  server.on('request', (_request, response: ServerResponse) => {
    if (waiting.push(response) === 1) response.end('the only one')
  })
  const run = await prober.start({ ...spec, rate: 300, timeoutMs: 2000 }, servedBy, never)
  await vi.waitFor(() => expect(waiting.length).toBeGreaterThan(200), UNTIL)
  const summary = await run.stop({ from: null, to: 1 })
  if (summary.kind !== 'measured') throw new Error(summary.why)
  expect(summary.lostBy).toEqual({ timeout: summary.sent - 1 })
  expect(summary.sent).toBe(waiting.length)
})

it.skipIf(!hasIpv6())('asks an IPv6 address (left out where the loopback has none)', async () => {
  await new Promise((resolve) => server.close(resolve))
  await new Promise<void>((resolve) => server.listen(0, '::1', resolve))
  const { port } = server.address() as AddressInfo
  const run = await prober.start({ ...spec, url: `http://[::1]:${port}/` }, servedBy, never)
  await vi.waitFor(() => expect(run.counts().sent).toBeGreaterThan(10), UNTIL)
  expect(await run.stop({ from: null, to: 1 })).toMatchObject({ kind: 'measured', lost: 0 })
})

it('leaves the ledger and who served, and no more than the 20 last of these', async () => {
  for (let n = 0; n < 25; n++) {
    const path = join(folder, `old.${n}`)
    for (const file of [path, `${path}.served`, `${path}.owner`]) writeFileSync(file, '')
    utimesSync(path, n, n)
  }
  const run = await prober.start(spec, servedBy, never)
  await vi.waitFor(() => expect(run.counts().sent).toBeGreaterThan(0), UNTIL)
  await run.stop({ from: null, to: 1 })
  const names = readdirSync(folder)
  expect(names.filter((name) => name.startsWith('ledger')).sort()).toEqual(['ledger', 'ledger.served'])
  expect(names.filter((name) => /^old\.\d+$/.test(name))).toHaveLength(20)
  expect(names.filter((name) => name.startsWith('old.4'))).toEqual([])
})
