/**
 * What a rollout on 3 replicas costs beside the app's own start and drain, and how long a commit takes to be all-new.
 * Usage: node test/bench/rollout.ts [rounds] [userland|nftables]
 *
 * Overhead: from the request of `deploy --revision N` to the end event, less every moment in which some replica was starting or ending
 * by itself. The app tells these moments (prompt-app: from the start of its Node to listening, from the stop signal to its exit).
 */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { logPath } from '../../src/engines/embedded/keeper/logs/log-file.ts'
import type { Event } from '../../src/model/event.ts'
import { type BenchApp, BenchStage, NARU, replaceIn, type RouterName } from './harness/bench-stage.ts'
import { median, printFigures, quantile, round } from './harness/figures.ts'

const exec = promisify(execFile)
const SCOPE = { app: 'hello', environment: 'local' }
const rounds = Math.max(3, Number(process.argv[2]) || 15)
const router = (process.argv[3] ?? (process.getuid?.() === 0 ? 'nftables' : 'userland')) as RouterName

/** Milliseconds of one rollout. `parts` are its waits one after the other, as its events tell them. */
interface Sample {
  readonly totalMs: number
  readonly appMs: number
  readonly parts: Readonly<Record<string, number>>
}
interface Span {
  readonly from: number
  readonly to: number
}

const samples = await measureOverhead()
const commits = await measureCommits()
const overhead = samples.map(({ totalMs, appMs }) => totalMs - appMs)
const names = Object.keys(samples[0]?.parts ?? {})
const parts = Object.fromEntries(
  names.map((name) => [name, round(median(samples.map((sample) => sample.parts[name] ?? 0)), 1)]),
)
console.table([parts])
printFigures(
  'bench-rollout',
  [
    {
      name: 'rollout overhead, 3 replicas',
      target: '≤ 300 ms median',
      value: `${round(median(overhead))} ms (p90 ${round(quantile(overhead, 0.9))}; whole rollout ${round(median(samples.map(({ totalMs }) => totalMs)))})`,
      n: samples.length,
      reached: median(overhead) <= 300,
    },
    {
      name: 'commit to all-new, demo app (naru deploy, start to exit)',
      target: '≤ 2 s',
      value: `${round(median(commits) / 1000, 2)} s (p90 ${round(quantile(commits, 0.9) / 1000, 2)})`,
      n: commits.length,
      reached: median(commits) <= 2000,
    },
  ],
  { router, parts, overheadMs: overhead.map((ms) => round(ms)), commitMs: commits.map((ms) => round(ms)) },
)

/** Two revisions of the prompt app in turns: nothing is built, the image is there. */
async function measureOverhead(): Promise<Sample[]> {
  const stage = await BenchStage.open(router)
  try {
    const app = await stage.app('test/bench/prompt-app', changeVersion)
    for (const _version of [1, 2]) {
      await app.commit()
      await app.deploy()
    }
    const found: Sample[] = []
    for (let at = 0; at <= rounds; at++) {
      const askedMs = wallMs()
      const events = await app.deploy((at % 2) + 1)
      // The first one is a warm-up: code is compiled, caches are empty.
      if (at > 0) found.push(sampleOf(events, { from: askedMs, to: wallMs() }, (replica) => told(stage, replica)))
    }
    return found
  } finally {
    await stage.close()
  }
}

/** Whole commands: a commit, then `naru deploy` from its start to its exit, with a server that runs. */
async function measureCommits(): Promise<number[]> {
  const stage = await BenchStage.open(router)
  try {
    const app = await stage.app('examples/hello', changeVersion)
    await app.commit()
    await app.deploy()
    const found: number[] = []
    for (let at = 0; at <= rounds; at++) {
      await app.commit()
      const tookMs = await deployCommand(stage, app)
      if (at > 0) found.push(tookMs)
    }
    return found
  } finally {
    await stage.close()
  }
}

async function deployCommand(stage: BenchStage, app: BenchApp): Promise<number> {
  const askedMs = wallMs()
  const { NARU_SERVER: _none, ...env } = { ...stage.env, ...app.variables }
  await exec(process.execPath, [NARU, 'deploy', '--output', 'json'], { cwd: app.repository, env, maxBuffer: 2 ** 26 })
  return wallMs() - askedMs
}

function changeVersion(repository: string, version: number): void {
  replaceIn(join(repository, 'server.mjs'), /'v\d+'/, `'v${version}'`)
}

/** What a replica said of itself: wall-clock ms by moment. */
function told(stage: BenchStage, replica: string): Record<string, number> {
  const lines = readFileSync(logPath(stage.folder, SCOPE, replica), 'utf8').split('\n')
  const moments = lines
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { at: string; ms: number })
  return Object.fromEntries(moments.map(({ at, ms }) => [at, ms]))
}

function sampleOf(events: readonly Event[], whole: Span, toldBy: (replica: string) => Record<string, number>): Sample {
  const steps = events.flatMap((event) => (event.kind === 'step' && 'replica' in event.step ? [event] : []))
  const replicas = new Set(steps.map(({ step }) => ('replica' in step ? step.replica : '')))
  const spans: Span[] = []
  for (const replica of replicas) {
    const { began, listening, told: stopped, ended } = toldBy(replica)
    if (began !== undefined && listening !== undefined && began > whole.from) spans.push({ from: began, to: listening })
    if (stopped !== undefined && ended !== undefined) spans.push({ from: stopped, to: ended })
  }
  const own = spans.filter(({ from, to }) => from >= whole.from && to <= whole.to)
  return { totalMs: whole.to - whole.from, appMs: covered(own), parts: partsOf(events, whole, toldBy) }
}

/** How much time at least one of the spans covers. */
function covered(spans: readonly Span[]): number {
  let sum = 0
  let until = Number.NEGATIVE_INFINITY
  for (const { from, to } of [...spans].sort((a, b) => a.from - b.from)) {
    sum += Math.max(0, to - Math.max(from, until))
    until = Math.max(until, to)
  }
  return sum
}

/** Where the time of one rollout goes; waits that come once for each replica are added up. */
function partsOf(events: readonly Event[], whole: Span, toldBy: (replica: string) => Record<string, number>) {
  const done = new Map(events.flatMap((event) => (isStep(event) ? [[stepKey(event), event] as const] : [])))
  const steps = [...done.values()]
  const station = (name: string, state: string) =>
    events.find((event) => event.kind === 'station' && event.station === name && event.state === state)?.atMs
  const after = (kind: string, replica: string) => done.get(`${kind} ${replica}`)?.atMs
  const took = (kind: string) => sum(steps.map((event) => (event.step.kind === kind ? event.tookMs : 0)))
  const over = (kind: string, wait: (replica: string, moments: Record<string, number>) => number) =>
    sum(steps.flatMap(({ step }) => (step.kind === kind ? [wait(step.replica, toldBy(step.replica))] : [])))
  return {
    'asked → prepared': since(whole.from, station('prepare', 'finished')),
    'prepared → rollout': since(station('prepare', 'finished'), station('rollout', 'started')),
    'start steps': took('start'),
    'start done → app began': over('start', (replica, { began }) => since(after('start', replica), began)),
    'app start': over('start', (_replica, { began, listening }) => since(began, listening)),
    'listening → admitted': over('start', (replica, { listening }) => since(listening, after('admit', replica))),
    'admit steps': took('admit'),
    'drain steps': took('drain'),
    'stop steps': took('stop'),
    'app drain': over('stop', (_replica, moments) => since(moments.told, moments.ended)),
    'ended → removed': over('stop', (replica, { ended }) => since(ended, after('remove', replica))),
    'remove steps': took('remove'),
    'rollout → end': since(station('rollout', 'finished'), whole.to),
  }
}

function since(from = Number.NaN, to = Number.NaN): number {
  return to - from
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

type ReplicaStep = Extract<Event, { kind: 'step' }> & { readonly step: { readonly replica: string } }

function isStep(event: Event): event is ReplicaStep {
  return event.kind === 'step' && 'replica' in event.step
}

function stepKey({ step }: ReplicaStep): string {
  return `${step.kind} ${step.replica}`
}

function wallMs(): number {
  return performance.timeOrigin + performance.now()
}
