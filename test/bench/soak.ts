/**
 * Consecutive rollouts under load from a client that is not part of Naru, with both routers: nothing may be lost.
 *
 *   npm run soak                                  100 rollouts and 1,000,000 requests at 1,500 a second, for each router (about 25 minutes)
 *   npm run soak -- --rollouts 5 --requests 20000 --router userland
 *
 * Half of the requests are sent on new connections, half on kept ones (test/load/client.ts). Exit 0 only when none was lost by the
 * client's own ledger, none by the receipts, and every rollout ended all-new.
 */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { OperationBody } from '../../src/api/responses.ts'
import { ApiClient } from '../../src/cli/api-client.ts'
import { followOperation } from '../../src/cli/follow-operation.ts'
import { endFolder } from '../../src/main/end-folder.ts'
import { openServer } from '../../src/main/open-server.ts'
import type { Receipt } from '../../src/model/receipt.ts'
import { systemClock } from '../../src/os/system-clock.ts'
import { freePort } from '../e2e/harness/free-ports.ts'

const { values } = parseArgs({
  options: {
    rollouts: { type: 'string', default: '100' },
    requests: { type: 'string', default: '1000000' },
    rate: { type: 'string', default: '1500' },
    router: { type: 'string', default: 'both' },
    output: { type: 'string', default: 'text' },
  },
})
const rollouts = Number(values.rollouts)
const requests = Number(values.requests)
const rate = Number(values.rate)
const routers = values.router === 'both' ? ['nftables', 'userland'] : [values.router]
const signal = new AbortController().signal
const ROOT = join(import.meta.dirname, '../..')

interface LoadSummary {
  readonly sent: number
  readonly answered: number
  readonly lost: number
  readonly lostBy: Record<string, number>
  readonly firstLost: readonly string[]
  readonly seconds: number
}

interface Result {
  readonly router: string
  readonly load: LoadSummary
  readonly receipts: readonly Receipt[]
}

const results: Result[] = []
for (const router of routers) results.push(await soak(router))
const good = results.map(report).every(Boolean)
process.exit(good ? 0 : 1)

async function soak(router: string): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'ns-'))
  if (router === 'userland') process.env.NARU_ROUTER = 'userland'
  else delete process.env.NARU_ROUTER
  const server = await openServer({ folder: join(folder, 'd'), listen: null, token: null })
  const client = new ApiClient({ kind: 'socket', path: server.socket })
  try {
    await client.post('/v1/images/base', { program: process.execPath, repository: 'base/node', tag: '24' }, signal)
    const port = await freePort()
    const repository = await twoVersions(client, folder, port)
    return { router, ...(await underLoad(client, port, repository)) }
  } finally {
    await server.close()
    await endFolder(join(folder, 'd'))
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Revisions 1 and 2 of the example, published on the port. */
async function twoVersions(client: ApiClient, folder: string, port: number): Promise<string> {
  const repository = join(folder, 'git')
  cpSync(join(ROOT, 'examples/hello'), repository, { recursive: true })
  const yaml = `${readFileSync(join(repository, 'naru.yaml'), 'utf8')}routes: [{ role: web, listen: "127.0.0.1:${port}" }]\n`
  writeFileSync(join(repository, 'naru.yaml'), yaml.replace('rate: 100', 'rate: 20'))
  git(repository, 'init', '-q', '-b', 'main')
  for (const version of ['v1', 'v2']) {
    const program = join(repository, 'server.mjs')
    writeFileSync(program, readFileSync(program, 'utf8').replace(/'v\d'/, `'${version}'`))
    git(repository, 'add', '-A')
    git(repository, 'commit', '-q', '-m', version)
    const receipt = await deploy(client, repository, null)
    if (receipt?.endState !== 'all-new')
      throw new Error(`${version} did not become all-new: ${receipt?.failure?.message}`)
  }
  return repository
}

/** The load runs from before the first rollout to after the last; rollouts are spread evenly over its requests. */
async function underLoad(client: ApiClient, port: number, repository: string): Promise<Omit<Result, 'router'>> {
  const args = [join(ROOT, 'test/load/client.ts'), '127.0.0.1', String(port), String(rate)]
  const load = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  load.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  const ended = new Promise((resolve) => load.once('close', resolve))
  const began = performance.now()
  const receipts: Receipt[] = []
  for (let done = 0; done < rollouts; done++) {
    const receipt = await deploy(client, repository, (done % 2) + 1)
    if (receipt !== null) receipts.push(receipt)
    if (receipt?.endState !== 'all-new') break
    const dueMs = ((done + 1) / rollouts) * (requests / rate) * 1000
    const waitMs = dueMs - (performance.now() - began)
    if (waitMs > 0) await systemClock.sleep(waitMs, signal)
    if (values.output === 'text' && (done + 1) % 10 === 0) process.stderr.write(`${done + 1} rollouts\n`)
  }
  await systemClock.sleep(500, signal)
  load.kill('SIGTERM')
  await ended
  return { load: JSON.parse(text) as LoadSummary, receipts }
}

async function deploy(client: ApiClient, repository: string, revision: number | null): Promise<Receipt | null> {
  const body = {
    file: { text: readFileSync(join(repository, 'naru.yaml'), 'utf8'), name: 'naru.yaml' },
    folderName: 'hello',
    environment: null,
    source: { repository, folder: '', ref: null },
    variables: {},
    by: 'soak',
    image: null,
    revision,
    plan: null,
  }
  const { operation } = await client.post<OperationBody>('/v1/deploys', body, signal)
  for await (const event of followOperation(client, operation, systemClock, signal)) {
    if (event.kind === 'end') return event.receipt
  }
  return null
}

/** One line for each router; whether it was good. */
function report({ router, load, receipts }: Result): boolean {
  const allNew = receipts.filter(({ endState }) => endState === 'all-new').length
  const lostInReceipts = receipts.reduce(
    (sum, { requests: asked }) => sum + (asked.kind === 'measured' ? asked.lost : 0),
    0,
  )
  const took = receipts.map(({ tookMs }) => tookMs).sort((a, b) => a - b)
  const line = {
    router,
    rollouts: receipts.length,
    allNew,
    sent: load.sent,
    answered: load.answered,
    lost: load.lost,
    lostBy: load.lostBy,
    firstLost: load.firstLost,
    rate: Math.round(load.sent / Math.max(1, load.seconds)),
    lostInReceipts,
    medianRolloutMs: took[Math.floor(took.length / 2)] ?? null,
    fewestAvailable: Math.min(...receipts.map(({ fewestAvailable }) => fewestAvailable)),
    cut: receipts.reduce((sum, { cut }) => sum + cut, 0),
  }
  process.stdout.write(`${JSON.stringify(line)}\n`)
  return allNew === rollouts && load.lost === 0 && lostInReceipts === 0
}

function git(repository: string, ...args: readonly string[]): void {
  const identity = ['-c', 'user.name=soak', '-c', 'user.email=soak@example.com']
  execFileSync('git', ['-C', repository, ...identity, ...args], { stdio: 'ignore' })
}
