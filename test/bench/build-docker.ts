// Source to pushed digest, Naru beside a real BuildKit (`docker buildx build --push`) and `tar` + `crane append`, to the same
// registry on the same machine, in turns. Naru begins with the newest
// commit, the others with the folder. Usage: node test/bench/build-docker.ts [rounds] [changed|cold|runs]   (CRANE=/path/to/crane)
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { aBusyboxBuild } from '../../src/build/run/testing.ts'
import { basesOf } from '../../src/build/testing.ts'
import { systemClock } from '../../src/os/system-clock.ts'
import { registryClient } from '../../src/registry/client/registry-client.ts'
import { copyImage } from '../../src/registry/copy-image.ts'
import { commit, makeRepository } from '../../src/source/testing.ts'
import { type Buildkit, startBuildkit } from '../peers/buildkit.ts'
import { call, has } from '../peers/call.ts'
import { startDockerRegistry } from '../peers/docker-registry.ts'
import { type Figure, median, printFigures } from './harness/figures.ts'
import { LayeredApp, SMALL_DEPENDENCIES } from './harness/layered-app.ts'
import { NaruBuild } from './harness/naru-build.ts'

const never = new AbortController().signal
const ROUNDS = Math.max(Number(process.argv[2]) || 9, 3)
const PART = process.argv[3]
const COLD_ROUNDS = 3
const WARM_ROUNDS = 8
const CRANE = process.env.CRANE ?? 'crane'

await using buildkit = await startBuildkit()
const folder = await mkdtemp(join(tmpdir(), 'naru-bench-docker-'))
const registry = await startDockerRegistry(folder)
console.log(`beside ${buildkit.versions}`)
const naruBase = await aBusyboxBuild({})
try {
  const parts = { changed: changedFile, cold, runs: runSteps }
  const figures: Figure[] = []
  for (const [part, measure] of Object.entries(parts))
    if (PART === undefined || PART === part) figures.push(...(await measure()))
  printFigures('bench-build-docker', figures)
} finally {
  await naruBase[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
}

interface Way {
  readonly name: string
  /** Bytes that were sent, where it knows. */
  run(): Promise<number | null>
}

/** In a running process, as the server builds, from the newest commit. */
function naruWay(root: string, cacheFolder: string, host: string): Way {
  const build = new NaruBuild(root, cacheFolder, basesOf(naruBase.store))
  return {
    name: 'naru',
    run: async () => {
      const store = registryClient({ host, clock: systemClock })
      try {
        return await build.into(store, 'naru')
      } finally {
        store.close()
      }
    },
  }
}

function dockerWay({ docker }: Buildkit, root: string, host: string): Way {
  const base = `busybox:1=docker-image://${registry.host}/busybox:1`
  const args = ['buildx', 'build', '-q', '--network=host', '--build-context', base, '--push', '-t', `${host}/docker:v1`]
  const run = async () => {
    await docker([...args, root], { timeoutMs: 600_000 })
    return null
  }
  return { name: 'docker', run }
}

/** Only the changed layer, packed by tar, upon the image that is there. */
async function craneWay(root: string, host: string): Promise<Way | null> {
  if (!(await call(CRANE, ['version']).then(Boolean, () => false)) || !(await has('tar'))) return null
  const layer = join(folder, 'crane.tar.gz')
  const append = (base: readonly string[], to: string) =>
    call(CRANE, ['append', '--insecure', ...base, '-f', layer, '-t', `${host}/${to}`])
  await call('tar', ['-czf', layer, '-C', root, 'deps'])
  await append(['--oci-empty-base'], 'crane-base:v1')
  const run = async () => {
    await call('tar', ['-czf', layer, '-C', root, 'src'])
    await append(['-b', `${host}/crane-base:v1`], 'crane:v1')
    return null
  }
  return { name: 'crane', run }
}

async function inTurns(ways: readonly Way[], rounds: number, before: (round: number) => Promise<void>) {
  const times = new Map<string, number[]>(ways.map(({ name }) => [name, []]))
  const sent: (number | null)[] = []
  for (let round = 0; round < rounds; round++) {
    await before(round)
    for (const way of round % 2 === 0 ? ways : ways.toReversed()) {
      const start = performance.now()
      const bytes = await way.run()
      times.get(way.name)?.push(performance.now() - start)
      if (way.name === 'naru') sent.push(bytes)
    }
  }
  const ms = (name: string) => median(times.get(name) ?? [])
  for (const [name, all] of times) console.log(`  ${name}: ${all.map((one) => one.toFixed(0)).join(' ')} ms`)
  return { ms, sent }
}

function ratio(name: string, most: number, [ours, theirs]: readonly [number, number], n: number): Figure {
  const value = `${(ours / theirs).toFixed(2)} (${ours.toFixed(0)} ms, ${theirs.toFixed(0)} ms)`
  return { name, target: `≤ ${most}`, value, n, reached: ours / theirs <= most }
}

async function changedFile(): Promise<Figure[]> {
  const app = await LayeredApp.write(join(folder, 'app'), SMALL_DEPENDENCIES)
  const { root } = app
  const crane = await craneWay(root, registry.host)
  const ways = [
    naruWay(root, join(folder, 'cache-changed'), registry.host),
    dockerWay(buildkit, root, registry.host),
    ...(crane === null ? [] : [crane]),
  ]
  // Naru's server and dockerd run for months: neither is measured in its first minute.
  console.log('before it is measured')
  await inTurns(ways, WARM_ROUNDS, (round) => app.change(1000 + round))
  console.log('one file changed')
  const changed = await inTurns(ways, ROUNDS, (round) => app.change(round))
  console.log('nothing changed')
  const same = await inTurns(ways, ROUNDS, async () => {})
  const [ours, unchanged] = [changed.ms('naru'), same.ms('naru')]
  return [
    ratio('one changed file, of docker build + push', 0.1, [ours, changed.ms('docker')], ROUNDS),
    ...(crane === null
      ? []
      : [ratio('one changed file, of tar + crane append', 1.3, [ours, changed.ms('crane')], ROUNDS)]),
    {
      name: 'nothing changed: time, bytes sent',
      target: '≤ 100 ms, 0',
      value: `${unchanged.toFixed(0)} ms, ${Math.max(...same.sent.map((bytes) => bytes ?? 0))} (docker ${same.ms('docker').toFixed(0)} ms)`,
      n: ROUNDS,
      reached: unchanged <= 100 && same.sent.every((bytes) => bytes === 0),
    },
  ]
}

/** Everything anew in each round: caches, and the registry. */
async function cold(): Promise<Figure[]> {
  const { root } = await LayeredApp.write(join(folder, 'large'), { files: 12_000, bytes: 200 * 2 ** 20 })
  console.log('200 MB, cold')
  const { ms } = await inTurns([anew('naru', root), anew('docker', root)], COLD_ROUNDS, async () => {})
  return [ratio('cold build and push of 200 MB, of docker', 0.5, [ms('naru'), ms('docker')], COLD_ROUNDS)]
}

function anew(name: 'naru' | 'docker', root: string): Way {
  const run = async () => {
    const own = await mkdtemp(join(folder, 'anew-'))
    const target = await startDockerRegistry(own)
    try {
      if (name === 'naru') return await naruWay(root, join(own, 'cache'), target.host).run()
      await buildkit.docker(['builder', 'prune', '-af'])
      return await dockerWay(buildkit, root, target.host).run()
    } finally {
      await target[Symbol.asyncDispose]()
      await rm(own, { recursive: true, force: true })
    }
  }
  return { name, run }
}

/** A step that unpacks what a package manager would: thousands of files, then a second one that changes some of them. */
async function runSteps(): Promise<Figure[]> {
  const remote = registryClient({ host: registry.host, clock: systemClock })
  await copyImage(
    {
      from: { store: naruBase.store, repository: 'busybox', reference: '1' },
      to: { store: remote, repository: 'busybox', tags: ['1'] },
      platform: null,
    },
    never,
  )
  remote.close()
  const root = join(folder, 'installs')
  await mkdir(root)
  await call('tar', ['-cf', join(root, 'packages.tar'), '-C', '/usr', 'share/perl', 'lib/python3', 'share/zoneinfo'])
  const lines = [
    'FROM busybox:1',
    'RUN --mount=type=bind,source=packages.tar,target=/packages.tar busybox mkdir /usr && busybox tar -xf /packages.tar -C /usr',
    'RUN find /usr -name "*.pm" | head -200 | busybox xargs touch && mkdir /var && echo done > /var/log',
    'CMD ["sh"]',
  ]
  await writeFile(join(root, 'Dockerfile'), `${lines.join('\n')}\n`)
  makeRepository(root)
  commit(root, {})
  console.log('RUN steps, cold')
  const first = await inTurns([anew('naru', root), anew('docker', root)], COLD_ROUNDS, async () => {})
  console.log('RUN steps, warm')
  const warm = [naruWay(root, join(folder, 'cache-runs'), registry.host), dockerWay(buildkit, root, registry.host)]
  for (const way of warm) await way.run()
  const again = await inTurns(warm, ROUNDS, async () => {})
  return [
    ratio('RUN steps, cold, of docker', 1.1, [first.ms('naru'), first.ms('docker')], COLD_ROUNDS),
    ratio('RUN steps, warm, of docker', 0.2, [again.ms('naru'), again.ms('docker')], ROUNDS),
  ]
}
