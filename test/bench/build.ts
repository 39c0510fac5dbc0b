// One changed file in an app with a 15 MB dependency layer: source to pushed digest, Naru beside `buildah bud --layers` and
// `buildah push`, to the same registry on the same machine, in turns. Usage: node test/bench/build.ts [rounds]
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { dockerfileBuilder } from '../../src/build/dockerfile-builder.ts'
import type { BuildRequest } from '../../src/build/builder.ts'
import { backoff } from '../../src/lib/backoff.ts'
import { systemClock } from '../../src/os/system-clock.ts'
import type { ContentStore } from '../../src/registry/content-store.ts'
import { registryClient } from '../../src/registry/client/registry-client.ts'
import { DiskStore } from '../../src/registry/disk/disk-store.ts'
import { type Figure, printFigures } from './harness/figures.ts'

const exec = promisify(execFile)
const never = new AbortController().signal
const DOCKERFILE = 'FROM scratch\nWORKDIR /app\nCOPY deps node_modules/\nCOPY src src/\nCMD ["node", "src/s0.js"]\n'
const DEPENDENCIES = 1520
const BYTES = 15 * 2 ** 20

const [, , first = '', ...rest] = process.argv
if (first === '--once') await once(rest)
else await compare(Math.max(Number(first) || 15, 3))

/** Text that compresses about as code does (1 : 4), the same in every run. */
function code(seed: number, bytes: number): string {
  let state = seed + 1
  const words: string[] = []
  for (let size = 0; size < bytes; ) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    const word = `${(state % 4096).toString(36)} `
    words.push(word, word)
    size += 2 * word.length
  }
  return words.join('').slice(0, bytes)
}

async function writeApp(root: string): Promise<void> {
  await mkdir(join(root, 'src'), { recursive: true })
  await writeFile(join(root, 'Dockerfile'), DOCKERFILE)
  for (let at = 0; at < DEPENDENCIES; at++) {
    const folder = join(root, 'deps', `package-${at % 80}`, `lib-${at % 7}`)
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, `file-${at}.js`), code(at, Math.floor(BYTES / DEPENDENCIES)))
  }
  for (let at = 0; at < 20; at++) await writeFile(join(root, 'src', `s${at}.js`), code(at, 2000))
}

function request(root: string, store: ContentStore, repository: string): BuildRequest {
  const destination = { store, repository, tags: ['v1'] }
  return {
    root,
    context: '.',
    dockerfile: 'Dockerfile',
    target: null,
    args: {},
    epochSeconds: 1_700_000_000,
    bases: { find: () => Promise.reject(new Error('FROM scratch needs no image')) },
    destination,
  }
}

/** One build in a process of its own, as `naru build` from a shell. */
async function once([root = '', cacheFolder = '', host = '']: readonly string[]): Promise<void> {
  const store = registryClient({ host, clock: systemClock })
  await dockerfileBuilder({ cacheFolder }).build(request(root, store, 'naru'), () => {}, never)
  store.close()
}

async function compare(rounds: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'naru-bench-'))
  const registry = await startRegistry(folder)
  try {
    const ways = await makeWays(folder, registry.host)
    for (const way of ways) await way.run()
    const changed = await table('one file changed', ways, rounds, (round) =>
      writeFile(join(folder, 'app/src/s3.js'), code(1000 + round, 2000)),
    )
    const unchanged = await table('nothing changed', ways, rounds, async () => {})
    printFigures('bench-build', figuresOf(changed, unchanged, rounds))
  } finally {
    registry.child.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  }
}

/** The figures: as the server builds, to the registry that buildah pushes to. A process for each build is told beside it. */
function figuresOf(changed: readonly Row[], unchanged: readonly Row[], n: number): Figure[] {
  const of = (start: string) => changed.find(({ name }) => name.startsWith(start))?.medianMs ?? Number.NaN
  const peer = of('buildah')
  const against = (name: string, target: string, ms: number): Figure => ({
    name: `one changed file, source to pushed digest, ${name}`,
    target,
    value: `${(peer / ms).toFixed(1)} times faster than buildah (${ms.toFixed(0)} ms, ${peer.toFixed(0)} ms)`,
    n,
    reached: peer / ms >= 10,
  })
  const sent = unchanged.map(({ sentBytes }) => sentBytes).filter((bytes) => bytes !== null)
  return [
    against('in a running server', '≥ 10 times', of('naru, in process, docker-registry')),
    { ...against('a new process for each build', '–', of('naru, new process')), reached: true },
    {
      name: 'nothing changed: bytes sent',
      target: '0',
      value: sent.join(', '),
      n,
      reached: sent.length > 0 && sent.every((bytes) => bytes === 0),
    },
  ]
}

interface Row {
  readonly name: string
  readonly medianMs: number
  /** Of the last round; null: not known. */
  readonly sentBytes: number | null
}

interface Way {
  readonly name: string
  /** Answers the bytes that it sent, where it knows. */
  run(): Promise<number | null>
}

async function makeWays(folder: string, host: string): Promise<readonly Way[]> {
  const root = join(folder, 'app')
  await writeApp(root)
  const remote = registryClient({ host, clock: systemClock })
  const disk = await DiskStore.open(join(folder, 'store'), systemClock)
  const inProcess = (name: string, store: ContentStore, repository: string): Way => {
    const builder = dockerfileBuilder({ cacheFolder: join(folder, `cache-${repository}`) })
    return { name, run: async () => (await builder.build(request(root, store, repository), () => {}, never)).sentBytes }
  }
  const ways: Way[] = [
    inProcess('naru, in process, embedded store', disk, 'embedded'),
    inProcess('naru, in process, docker-registry', remote, 'remote'),
    {
      name: 'naru, new process, docker-registry',
      run: async () => {
        // As bin/naru does: compiled code is kept from start to start.
        const env = { ...process.env, NODE_COMPILE_CACHE: join(folder, 'cache-node') }
        await exec(process.execPath, [import.meta.filename, '--once', root, join(folder, 'cache-once'), host], { env })
        return null
      },
    },
  ]
  const buildah = await buildahWay(folder, root, host)
  return buildah === null ? ways : [...ways, buildah]
}

/** buildah with whichever storage driver works here; null: it is not installed. */
async function buildahWay(folder: string, root: string, host: string): Promise<Way | null> {
  for (const driver of ['overlay', 'vfs']) {
    const storage = [
      '--root',
      join(folder, driver),
      '--runroot',
      join(folder, `${driver}-run`),
      '--storage-driver',
      driver,
    ]
    const image = `${host}/buildah:v1`
    const run = async () => {
      await exec('buildah', [...storage, 'bud', '--layers', '--isolation', 'chroot', '-q', '-t', image, root])
      await exec('buildah', [...storage, 'push', '-q', '--tls-verify=false', image])
      return null
    }
    try {
      await run()
      return { name: `buildah bud --layers + push (${driver})`, run }
    } catch (failed) {
      console.log(
        `buildah with ${driver} does not run here: ${String((failed as Error).message)
          .split('\n')
          .slice(0, 2)
          .join(' ')}`,
      )
    }
  }
  return null
}

async function table(
  title: string,
  ways: readonly Way[],
  rounds: number,
  change: (round: number) => Promise<void>,
): Promise<Row[]> {
  const times = new Map(ways.map((way) => [way, [] as number[]]))
  const sent = new Map<Way, number | null>()
  for (let round = 0; round < rounds; round++) {
    await change(round)
    for (const way of round % 2 === 0 ? ways : ways.toReversed()) {
      const start = performance.now()
      sent.set(way, await way.run())
      times.get(way)?.push(performance.now() - start)
    }
  }
  const peer = ways.at(-1)
  const slowest = median((peer === undefined ? undefined : times.get(peer)) ?? [])
  console.log(`\n${title}, ${rounds} rounds in turns, ms`)
  console.log(`${'median'.padStart(8)}${'p95'.padStart(8)}${'faster'.padStart(9)}  way`)
  for (const [way, all] of times) {
    const ratio = way === peer ? '' : `${(slowest / median(all)).toFixed(1)} x`
    const bytes = sent.get(way)
    const note = typeof bytes === 'number' ? `  (sent ${bytes} bytes)` : ''
    console.log(
      `${median(all).toFixed(0).padStart(8)}${at(all, 0.95).toFixed(0).padStart(8)}${ratio.padStart(9)}  ${way.name}${note}`,
    )
  }
  return [...times].map(([way, all]) => ({ name: way.name, medianMs: median(all), sentBytes: sent.get(way) ?? null }))
}

function at(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(Math.floor(values.length * share), values.length - 1)] ?? Number.NaN
}

function median(values: readonly number[]): number {
  return at(values, 0.5)
}

async function startRegistry(folder: string): Promise<{ host: string; child: ChildProcess }> {
  const host = `127.0.0.1:${await freePort()}`
  const config = join(folder, 'registry.yml')
  await writeFile(
    config,
    `version: 0.1\nstorage: {filesystem: {rootdirectory: ${join(folder, 'registry')}}, cache: {blobdescriptor: inmemory}, delete: {enabled: true}}\nhttp: {addr: "${host}"}\n`,
  )
  const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' })
  const ended = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', () => reject(new Error('docker-registry ended')))
  })
  ended.catch(() => {})
  for (const delay of backoff()) {
    const up = await Promise.race([fetch(`http://${host}/v2/`).catch(() => null), ended])
    if (up?.ok === true) return { host, child }
    await systemClock.sleep(delay, never)
  }
  throw new Error('backoff never ends')
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
