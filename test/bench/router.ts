/**
 * CPU per request through each data path, against a direct connection to the same replica: interleaved, median of the rounds.
 *
 *   node test/bench/router.ts [--rounds 7] [--seconds 1.5] [--connections 64] [--json]
 *
 * Client: wrk, one thread. Replicas: listeners of one HAProxy that answers 100 bytes by itself (cheap, so that the ratios mean
 * something: a dearer replica makes every ratio smaller), two for each way: a connection that was redirected and one that was not, from the
 * same port of a client to the same replica within a minute, have different TCP timestamps on a new Linux, and wait a second. Counted:
 * processor time of the client, the replica and what is between them, from /proc. On loopback the kernel's own work (softirq) runs in the sender's time, so it is in these figures; time of another
 * machine's interrupts would not be. `proxy` is the part of the process between them alone.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { systemClock } from '../../src/os/system-clock.ts'
import { connectRouter, type RouterClient } from '../../src/routing/router-client.ts'
import { routerPaths } from '../../src/routing/router-process.ts'
import { freePort, kernelPathMissing } from '../../src/routing/testing.ts'
import type { Figure } from './harness/figures.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '1.5' },
    connections: { type: 'string', default: '64' },
    json: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
const scope = { app: 'bench', environment: 'local' }
const { signal } = new AbortController()

/** One way from the client to the replicas. `proxy`: the process between them. */
interface Way {
  readonly name: 'direct' | 'kernel' | 'userland' | 'haproxy-tcp'
  readonly port: number
  readonly proxy: ChildProcess | null
}

interface Sample {
  readonly requests: number
  readonly errors: number
  readonly totalMicros: number
  readonly proxyMicros: number
}

const targetOf = (ports: readonly number[], at: number) => ({
  replica: `web-1-${at + 1}`,
  role: 'web',
  revision: at + 1,
  address: { host: '127.0.0.1', port: ports[at] ?? 0 },
})

/** USER_HZ is 100 on every Linux that Node runs on (proc(5), sysconf(_SC_CLK_TCK)). */
const TICK_MICROS = 10_000

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN
const round = (value: number, digits = 2): number => Number(value.toFixed(digits))

const children: ChildProcess[] = []
const folder = await mkdtemp(join(tmpdir(), 'naru-bench-'))
const routers: RouterClient[] = []
const routerProcesses: ChildProcess[] = []
const HAPROXY =
  'global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode tcp\n  timeout client 60s\n  timeout server 60s\n  timeout connect 5s\n'
const report: { way: Way['name']; kept: boolean; samples: Sample[] }[] = []
let switches: number[] = []
let crashes: number[] = []

try {
  const replicaPorts = await Promise.all(Array.from({ length: 8 }, () => freePort()))
  const replica = await haproxy('replica', replicaConfig(replicaPorts))
  const ways = await makeWays(replicaPorts)
  const kernelPorts = replicaPorts.slice(6)
  for (const kept of [true, false]) {
    for (const way of ways) await measure(way, replica, kept, 1)
    const samples = ways.map(() => [] as Sample[])
    for (let round = 0; round < rounds; round++) {
      for (const [at, way] of ways.entries()) samples[at]?.push(await measure(way, replica, kept, seconds))
      if (!values.json) process.stderr.write('.')
    }
    for (const [at, way] of ways.entries()) report.push({ way: way.name, kept, samples: samples[at] ?? [] })
  }
  const kernel = ways.findIndex(({ name }) => name === 'kernel')
  const client = routers.at(-1)
  if (kernel >= 0 && client !== undefined) {
    switches = await timeSwitches(client, kernelPorts)
    crashes = await timeCrashes(client, kernelPorts)
  }
  print()
} finally {
  for (const router of routers) {
    await router.shutdown(true, 0, AbortSignal.timeout(5000)).catch(() => {})
    await router.close()
  }
  await Promise.race([Promise.all(routerProcesses.map((child) => once(child, 'exit'))), delay(5000)])
  for (const child of children) child.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true })
}

async function makeWays(replicaPorts: readonly number[]): Promise<Way[]> {
  const ways: Way[] = [{ name: 'direct', port: replicaPorts[0] ?? 0, proxy: null }]
  const balancer = await freePort()
  ways.push({
    name: 'haproxy-tcp',
    port: balancer,
    proxy: await haproxy('tcp', balancerConfig(balancer, replicaPorts.slice(2, 4))),
  })
  ways.push({ name: 'userland', ...(await router('none', replicaPorts.slice(4, 6))) })
  if (kernelPathMissing === null) ways.push({ name: 'kernel', ...(await router('nftables', replicaPorts.slice(6))) })
  else process.stderr.write(`the kernel router is left out: ${kernelPathMissing}\n`)
  return ways
}

async function router(fastPath: 'nftables' | 'none', replicaPorts: readonly number[]) {
  const own = await mkdtemp(join(folder, 'r-'))
  const entry = fileURLToPath(new URL('../../src/routing/router-main.ts', import.meta.url))
  const proxy = start(process.execPath, [entry, own, randomBytes(4).toString('hex'), fastPath])
  routerProcesses.push(proxy)
  const client = connectRouter({ socket: routerPaths(own).socket, clock: systemClock })
  routers.push(client)
  const port = await freePort()
  await client.publish(scope, [{ role: 'web', listen: { host: '127.0.0.1', port } }], 1, signal)
  for (const [at] of replicaPorts.entries()) await client.admit(scope, targetOf(replicaPorts, at), 1, signal)
  const { path } = await client.observe(scope, signal)
  if ((path === 'nftables') !== (fastPath === 'nftables')) throw new Error(`the router is ${path}, not ${fastPath}`)
  return { port, proxy }
}

/** How long a switch takes, from the call to its proof: admit one and drain the other. */
async function timeSwitches(client: RouterClient, ports: readonly number[]): Promise<number[]> {
  const took: number[] = []
  for (let n = 0; n < 60; n++) {
    const [come, go] = n % 2 === 0 ? [0, 1] : [1, 0]
    await client.admit(scope, targetOf(ports, come), 1, signal)
    const started = performance.now()
    await client.drain(scope, targetOf(ports, go).replica, 1, signal)
    took.push(performance.now() - started)
  }
  return took
}

/** How long it takes from the keeper's word that a process is gone to the proof that the map does not name it. */
async function timeCrashes(client: RouterClient, ports: readonly number[]): Promise<number[]> {
  const took: number[] = []
  for (let n = 0; n < 20; n++) {
    for (const at of [0, 1]) await client.admit(scope, targetOf(ports, at), 1, signal)
    const started = performance.now()
    await client.exited(scope, 'web-1-1', signal)
    took.push(performance.now() - started)
  }
  return took
}

async function measure(way: Way, replica: ChildProcess, kept: boolean, forSeconds: number): Promise<Sample> {
  const own = () => Promise.all([cpuMicros(replica), way.proxy === null ? 0 : cpuMicros(way.proxy)])
  const [before, clientBefore] = [await own(), await reapedMicros()]
  const out = await wrk(way.port, kept, forSeconds)
  const [after, clientAfter] = [await own(), await reapedMicros()]
  const requests = Number(/(\d+) requests in/.exec(out)?.[1] ?? 0)
  const errors = [...(/Socket errors: (.*)/.exec(out)?.[1] ?? '').matchAll(/\d+/g)].reduce(
    (sum, [n]) => sum + Number(n),
    0,
  )
  const proxyMicros = after[1] - before[1]
  const totalMicros = after[0] - before[0] + proxyMicros + clientAfter - clientBefore
  return { requests, errors, totalMicros: totalMicros / requests, proxyMicros: proxyMicros / requests }
}

function wrk(port: number, kept: boolean, forSeconds: number): Promise<string> {
  // wrk takes whole seconds; SIGINT ends it early with its figures.
  const headers = kept ? [] : ['-H', 'Connection: close']
  const args = [
    '-t1',
    `-c${values.connections}`,
    `-d${Math.ceil(forSeconds) + 5}`,
    ...headers,
    `http://127.0.0.1:${port}/`,
  ]
  const child = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString()
  })
  setTimeout(() => child.kill('SIGINT'), forSeconds * 1000)
  return new Promise((resolve, reject) => child.once('error', reject).once('close', () => resolve(out)))
}

/** CPU of a live process with all its threads, in microseconds: what the scheduler gave it, to the nanosecond (ticks are samples). */
async function cpuMicros(child: ChildProcess): Promise<number> {
  const threads = await readdir(`/proc/${child.pid}/task`)
  const read = async (thread: string) =>
    readFile(`/proc/${child.pid}/task/${thread}/schedstat`, 'utf8').catch(() => '0')
  const nanos = (await Promise.all(threads.map(read))).map((text) => Number(text.split(' ')[0]))
  return nanos.reduce((sum, one) => sum + one, 0) / 1000
}

/** CPU of the children that have ended: the clients. */
async function reapedMicros(): Promise<number> {
  const stat = await readFile('/proc/self/stat', 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) * TICK_MICROS
}

function start(program: string, args: readonly string[]): ChildProcess {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  children.push(child)
  return child
}

async function haproxy(name: string, config: string): Promise<ChildProcess> {
  const path = join(folder, `${name}.cfg`)
  await writeFile(path, config)
  const child = start('haproxy', ['-q', '-db', '-f', path])
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(config)?.[1])
  for (const until = Date.now() + 5000; Date.now() < until; ) {
    const up = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (up) return child
  }
  throw new Error(`haproxy ${name} does not listen`)
}

function replicaConfig(ports: readonly number[]): string {
  const binds = ports.map((port) => `  bind 127.0.0.1:${port}`).join('\n')
  return `${HAPROXY}frontend app\n  mode http\n${binds}\n  http-request return status 200 content-type text/plain string "${'x'.repeat(100)}"\n`
}

function balancerConfig(port: number, ports: readonly number[]): string {
  const servers = ports.map((each, at) => `  server s${at} 127.0.0.1:${each}`).join('\n')
  return `${HAPROXY}listen tcp\n  bind 127.0.0.1:${port}\n  balance roundrobin\n${servers}\n`
}

/** Ratios are taken within a round, where the machine was the same for both, and the median is of the ratios. */
function ratioTo(base: Way['name'], row: (typeof report)[number], part: 'totalMicros' | 'proxyMicros'): number {
  const other = report.find(({ way, kept }) => way === base && kept === row.kept)
  return median(row.samples.map((sample, at) => sample[part] / (other?.samples[at]?.[part] ?? Number.NaN)))
}

function print(): void {
  const rows = report.map((row) => ({
    connections: row.kept ? 'kept' : 'new',
    way: row.way,
    'requests/s': Math.round(median(row.samples.map(({ requests }) => requests)) / seconds),
    'µs/request': round(median(row.samples.map(({ totalMicros }) => totalMicros))),
    'x direct': round(ratioTo('direct', row, 'totalMicros')),
    'proxy µs': round(median(row.samples.map(({ proxyMicros }) => proxyMicros))),
    'proxy x HAProxy': row.way === 'userland' ? round(ratioTo('haproxy-tcp', row, 'proxyMicros')) : '',
    errors: row.samples.reduce((sum, { errors }) => sum + errors, 0),
  }))
  const sorted = {
    switchMs: round(median(switches)),
    crashMs: round(median(crashes)),
    crashWorstMs: round(Math.max(0, ...crashes)),
  }
  if (!values.json) {
    process.stderr.write('\n')
    console.table(rows)
    console.log(
      `drain, median ${sorted.switchMs} ms; crashed target out of the map, median ${sorted.crashMs} ms, worst ${sorted.crashWorstMs} ms`,
    )
  }
  const machine = { cores: cpus().length, model: cpus()[0]?.model ?? '', node: process.version }
  const figures = figuresOf(rows)
  console.log(JSON.stringify({ kind: 'bench-router', machine, rounds, seconds, rows, kernel: sorted, figures }))
}

type PrintedRow = {
  readonly connections: string
  readonly way: string
  readonly 'x direct': number
  readonly 'proxy x HAProxy': number | string
}

/** The figures; one whose way cannot be used here is left out. */
function figuresOf(rows: readonly PrintedRow[]): Figure[] {
  const figure = (
    name: string,
    row: PrintedRow | undefined,
    ratio: number | string | undefined,
    most: number,
  ): Figure[] =>
    row === undefined || typeof ratio !== 'number'
      ? []
      : [{ name, target: `≤ ${most}`, value: `${ratio}`, n: rounds, reached: ratio <= most }]
  const of = (way: string, connections: string) =>
    rows.find((row) => row.way === way && row.connections === connections)
  const [kept, fresh] = [of('kernel', 'kept'), of('kernel', 'new')]
  const [keptUserland, freshUserland] = [of('userland', 'kept'), of('userland', 'new')]
  return [
    ...figure('kernel router, CPU × direct, kept connections', kept, kept?.['x direct'], 1.15),
    ...figure('kernel router, CPU × direct, new connections', fresh, fresh?.['x direct'], 1.3),
    ...figure('userland router, CPU × HAProxy TCP, kept', keptUserland, keptUserland?.['proxy x HAProxy'], 1.5),
    ...figure('userland router, CPU × HAProxy TCP, new', freshUserland, freshUserland?.['proxy x HAProxy'], 1.5),
  ]
}
