/**
 * Consecutive rollouts under load from a client that is not part of Naru, with both routers: nothing may be lost.
 *
 *   npm run soak                                  100 rollouts and 1,000,000 requests at 1,600 a second, for each router (about 25 minutes)
 *   npm run soak -- --rollouts 5 --requests 20000 --router userland
 *
 * Half of the requests are sent on new connections, half on kept ones (test/load/client.ts). Prints a line of JSON for each router.
 * Exit 0 only when none was lost by the client's own ledger, none by the receipts, and every rollout ended all-new.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Receipt } from '../../src/model/receipt.ts'
import { systemClock } from '../../src/os/system-clock.ts'
import { type BenchApp, BenchStage, replaceIn, type RouterName } from './harness/bench-stage.ts'

const { values } = parseArgs({
  options: {
    rollouts: { type: 'string', default: '100' },
    requests: { type: 'string', default: '1000000' },
    rate: { type: 'string', default: '1600' },
    router: { type: 'string', default: 'both' },
    quiet: { type: 'boolean', default: false },
  },
})
const rollouts = Number(values.rollouts)
const requests = Number(values.requests)
const rate = Number(values.rate)
const ROUTERS: readonly RouterName[] = ['nftables', 'userland']
const routers = ROUTERS.filter((name) => values.router === 'both' || values.router === name)
if (routers.length === 0) throw new Error(`--router is both, ${ROUTERS.join(' or ')}, not ${values.router}`)
const forever = new AbortController().signal

/** What the client printed at its end. */
interface LoadSummary {
  readonly sent: number
  readonly sentOnNew: number
  readonly answered: number
  readonly lost: number
  readonly lostBy: Record<string, number>
  readonly firstLost: readonly string[]
  readonly slowestMs: number
  readonly seconds: number
}

interface Result {
  readonly router: RouterName
  readonly load: LoadSummary
  readonly receipts: readonly Receipt[]
}

const good: boolean[] = []
for (const router of routers) good.push(report(await soak(router)))
process.exit(good.every(Boolean) ? 0 : 1)

async function soak(router: RouterName): Promise<Result> {
  const stage = await BenchStage.open(router)
  try {
    const app = await stage.app('examples/hello', (repository, version) => {
      replaceIn(join(repository, 'naru.yaml'), 'rate: 100', 'rate: 20')
      replaceIn(join(repository, 'server.mjs'), /'v\d'/, `'v${version}'`)
    })
    for (const _version of [1, 2]) {
      await app.commit()
      await app.deploy()
    }
    return { router, ...(await underLoad(app)) }
  } finally {
    await stage.close()
  }
}

/** The load runs from before the first rollout to after the last; rollouts are spread evenly over its requests. */
async function underLoad(app: BenchApp): Promise<Omit<Result, 'router'>> {
  const client = join(import.meta.dirname, '../load/client.ts')
  const args = [client, '127.0.0.1', String(app.port), String(rate)]
  const load = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  load.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  const ended = new Promise((resolve) => load.once('close', resolve))
  const receipts: Receipt[] = []
  try {
    const began = performance.now()
    for (let done = 0; done < rollouts; done++) {
      const last = (await app.deploy((done % 2) + 1)).at(-1)
      if (last?.kind === 'end' && last.receipt !== null) receipts.push(last.receipt)
      const dueMs = ((done + 1) / rollouts) * (requests / rate) * 1000
      const waitMs = dueMs - (performance.now() - began)
      if (waitMs > 0) await systemClock.sleep(waitMs, forever)
      if (!values.quiet && (done + 1) % 10 === 0) process.stderr.write(`${done + 1} rollouts\n`)
    }
    // Its last requests are sent with nothing changing.
    await systemClock.sleep(500, forever)
  } finally {
    load.kill('SIGTERM')
    await ended
  }
  return { load: JSON.parse(text) as LoadSummary, receipts }
}

/** One line for the router; whether it was good. */
function report({ router, load, receipts }: Result): boolean {
  const asked = receipts.flatMap((receipt) => (receipt.requests.kind === 'measured' ? [receipt.requests] : []))
  const took = receipts.map(({ tookMs }) => tookMs).sort((a, b) => a - b)
  const line = {
    router,
    rollouts: receipts.length,
    sent: load.sent,
    sentOnNew: load.sentOnNew,
    answered: load.answered,
    lost: load.lost,
    lostBy: load.lostBy,
    firstLost: load.firstLost,
    slowestMs: load.slowestMs,
    rate: Math.round(load.sent / Math.max(1, load.seconds)),
    measuredReceipts: asked.length,
    sentByProbers: asked.reduce((sum, { sent }) => sum + sent, 0),
    lostInReceipts: asked.reduce((sum, { lost }) => sum + lost, 0),
    medianRolloutMs: took[Math.floor(took.length / 2)] ?? null,
    slowestRolloutMs: took.at(-1) ?? null,
    fewestAvailable: Math.min(...receipts.map(({ fewestAvailable }) => fewestAvailable ?? 0)),
    cut: receipts.reduce((sum, { cut }) => sum + cut, 0),
  }
  process.stdout.write(`${JSON.stringify(line)}\n`)
  return receipts.length === rollouts && load.lost === 0 && line.lostInReceipts === 0
}
