/**
 * How long the command line takes to start, and what our idle processes hold in memory.
 * Usage: node test/bench/start.ts [runs] [idle seconds]
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/os/system-clock.ts'
import { BenchStage, NARU, type RouterName } from './harness/bench-stage.ts'
import { median, printFigures, quantile, round } from './harness/figures.ts'

const runs = Math.max(3, Number(process.argv[2]) || 25)
const idleSeconds = Number(process.argv[3] ?? 30)
const router: RouterName = process.getuid?.() === 0 ? 'nftables' : 'userland'

/** Memory in MB. PSS counts what processes share once, divided among them. */
interface Memory {
  readonly rss: number
  readonly pss: number
}

const bare = startTimes(['--eval', '0'], null)
const cold = startTimes([NARU, 'version'], 'empty')
const warm = startTimes([NARU, 'version'], 'kept')
const idle = await idleMemory()
const server = idle['server, an app deployed'] ?? { rss: Number.NaN, pss: Number.NaN }
console.table(idle)
printFigures(
  'bench-start',
  [
    start('naru version, compile cache warm', warm, true),
    start('naru version, compile cache empty', cold, true),
    start('(bare Node: node --eval 0)', bare, false),
    {
      name: `server idle for ${idleSeconds} s, from source, an app deployed`,
      target: '≤ 150 MB RSS',
      value: `${server.rss} MB RSS, ${server.pss} MB PSS`,
      n: 1,
      reached: server.rss <= 150,
    },
  ],
  { idle },
)

function start(name: string, times: readonly number[], isFigure: boolean) {
  const [middle, p90] = [median(times), quantile(times, 0.9)]
  const value = `${round(middle)} ms (p90 ${round(p90)})`
  return { name, target: isFigure ? '≤ 150 ms median' : '–', value, n: times.length, reached: middle <= 150 }
}

/** Wall time of whole processes. `cache`: the compile cache is thrown away before each run, kept from run to run, or not ours. */
function startTimes(args: readonly string[], cache: 'empty' | 'kept' | null): number[] {
  const folder = mkdtempSync(join(tmpdir(), 'naru-start-'))
  const env = cache === null ? process.env : { ...process.env, NODE_COMPILE_CACHE: folder }
  const times: number[] = []
  for (let at = -1; at < runs; at++) {
    if (cache === 'empty') for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true })
    const began = performance.now()
    const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`)
    if (at >= 0) times.push(performance.now() - began)
  }
  rmSync(folder, { recursive: true })
  return times
}

/** After a time without any request: a server on a new folder, and all of ours with an app of 3 replicas. */
async function idleMemory(): Promise<Record<string, Memory>> {
  const stage = await BenchStage.open(router)
  try {
    await idleFor(idleSeconds)
    const empty = memoryOf(stage.serverPid)
    const app = await stage.app('examples/hello', () => {})
    await app.commit()
    await app.deploy()
    await idleFor(idleSeconds)
    return {
      'server, nothing deployed': empty,
      'server, an app deployed': memoryOf(stage.serverPid),
      keeper: memoryOf(processWith('main/keeper-main.ts', stage.folder)),
      router: memoryOf(processWith('routing/router-main.ts', stage.folder)),
      'bare Node': await bareNode(),
    }
  } finally {
    await stage.close()
  }
}

async function bareNode(): Promise<Memory> {
  const child = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' })
  await idleFor(1)
  const memory = memoryOf(child.pid ?? 0)
  child.kill('SIGKILL')
  return memory
}

function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const mb = (name: string) => round(Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(text)?.[1]) / 1024, 1)
  return { rss: mb('Rss'), pss: mb('Pss') }
}

/** The process that runs this program for the data folder. */
function processWith(program: string, folder: string): number {
  const found = readdirSync('/proc').find((name) => {
    if (!/^\d+$/.test(name)) return false
    const [, first = '', second] = commandOf(name)
    return first.endsWith(program) && second === folder
  })
  return Number(found)
}

function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return [] // gone meanwhile
  }
}

function idleFor(seconds: number): Promise<void> {
  return systemClock.sleep(seconds * 1000, new AbortController().signal)
}
