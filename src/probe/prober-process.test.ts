import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { identify, isAlive, type ProcessIdentity, signalProcess } from '../os/process-identity.ts'
import { systemClock } from '../os/system-clock.ts'
import type { ProberSpec } from './probe.ts'
import { proberFiles } from './prober-files.ts'
import { proberProcess } from './prober-process.ts'

const prober = proberProcess({
  command: [process.execPath, join(import.meta.dirname, 'prober-main.ts')],
  clock: systemClock,
})
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

function readIdentity(): ProcessIdentity | null {
  try {
    return JSON.parse(readFileSync(proberFiles(spec.ledger).identity, 'utf8')) as ProcessIdentity
  } catch {
    return null
  }
}

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

it('tells the time in which it was killed as a gap', async () => {
  await prober.start(spec, servedBy, never)
  const first = readIdentity()
  if (first !== null) signalProcess(first, 'SIGKILL')
  await vi.waitFor(() => expect(first !== null && isAlive(first)).toBe(false), UNTIL)
  const killedAt = Date.now()
  await vi.waitFor(() => expect(Date.now() - killedAt).toBeGreaterThan(2200), UNTIL)
  const run = await prober.start(spec, servedBy, never)
  await vi.waitFor(() => expect(run.counts().sent).toBeGreaterThan(10), UNTIL)
  const summary = await run.stop({ from: null, to: 1 })
  expect(summary.kind === 'measured' && summary.gaps.length).toBe(1)
})
