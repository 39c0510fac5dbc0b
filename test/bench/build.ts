// One changed file in an app with a 15 MB dependency layer: source to pushed digest, Naru from the commit beside `buildah bud --layers` and
// `buildah push`, to the same registry on the same machine, in turns. Usage: node test/bench/build.ts [rounds]
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { systemClock } from '../../src/os/system-clock.ts'
import { registryClient } from '../../src/registry/client/registry-client.ts'
import type { ContentStore } from '../../src/registry/content-store.ts'
import { DiskStore } from '../../src/registry/disk/disk-store.ts'
import { startDockerRegistry } from '../peers/docker-registry.ts'
import { type Figure, median, printFigures, quantile } from './harness/figures.ts'
import { LayeredApp, SMALL_DEPENDENCIES } from './harness/layered-app.ts'
import { NaruBuild } from './harness/naru-build.ts'

const exec = promisify(execFile)

const [, , first = '', ...rest] = process.argv
if (first === '--once') await once(rest)
else await compare(Math.max(Number(first) || 15, 3))

/** One build in a process of its own, as `naru build` from a shell. */
async function once([root = '', cacheFolder = '', host = '']: readonly string[]): Promise<void> {
  const store = registryClient({ host, clock: systemClock })
  await new NaruBuild(root, cacheFolder).into(store, 'naru')
  store.close()
}

async function compare(rounds: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'naru-bench-'))
  const registry = await startDockerRegistry(folder)
  try {
    const app = await LayeredApp.write(join(folder, 'app'), SMALL_DEPENDENCIES)
    const ways = await makeWays(folder, app.root, registry.host)
    for (const way of ways) await way.run()
    const changed = await table('one file changed', ways, rounds, (round) => app.change(round))
    const unchanged = await table('nothing changed', ways, rounds, async () => {})
    printFigures('bench-build', figuresOf(changed, unchanged, rounds))
  } finally {
    await registry[Symbol.asyncDispose]()
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

async function makeWays(folder: string, root: string, host: string): Promise<readonly Way[]> {
  const remote = registryClient({ host, clock: systemClock })
  const disk = await DiskStore.open(join(folder, 'store'), systemClock)
  const inProcess = (name: string, store: ContentStore, repository: string): Way => {
    const build = new NaruBuild(root, join(folder, `cache-${repository}`))
    return { name, run: () => build.into(store, repository) }
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
      `${median(all).toFixed(0).padStart(8)}${quantile(all, 0.95).toFixed(0).padStart(8)}${ratio.padStart(9)}  ${way.name}${note}`,
    )
  }
  return [...times].map(([way, all]) => ({ name: way.name, medianMs: median(all), sentBytes: sent.get(way) ?? null }))
}
