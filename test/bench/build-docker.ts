// Source to pushed digest, Naru beside a real BuildKit (`docker buildx build --push`) and `tar` + `crane append`, to the same
// registry on the same machine, in turns. Usage: node test/bench/build-docker.ts [rounds]   (CRANE=/path/to/crane for the third)
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BuildRequest } from '../../src/build/builder.ts'
import { dockerfileBuilder } from '../../src/build/dockerfile-builder.ts'
import { aBusyboxBuild } from '../../src/build/run/testing.ts'
import { basesOf } from '../../src/build/testing.ts'
import { systemClock } from '../../src/os/system-clock.ts'
import { registryClient } from '../../src/registry/client/registry-client.ts'
import { copyImage } from '../../src/registry/copy-image.ts'
import { type Buildkit, startBuildkit } from '../peers/buildkit.ts'
import { call, has } from '../peers/call.ts'
import { startDockerRegistry } from '../peers/docker-registry.ts'
import { type Figure, median, printFigures } from './harness/figures.ts'

const never = new AbortController().signal
const ROUNDS = Math.max(Number(process.argv[2]) || 9, 3)
const COLD_ROUNDS = 3
const CRANE = process.env.CRANE ?? 'crane'

await using buildkit = await startBuildkit()
const folder = await mkdtemp(join(tmpdir(), 'naru-bench-docker-'))
const registry = await startDockerRegistry(folder)
console.log(`beside ${buildkit.versions}`)
const naruBase = await aBusyboxBuild({})
try {
  const figures = [...(await changedFile()), ...(await cold()), ...(await runSteps())]
  printFigures('bench-build-docker', figures)
} finally {
  await naruBase[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
}

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

async function writeApp(root: string, files: number, bytes: number): Promise<void> {
  const dockerfile = 'FROM scratch\nWORKDIR /app\nCOPY deps node_modules/\nCOPY src src/\nCMD ["node", "src/s0.js"]\n'
  await mkdir(join(root, 'src'), { recursive: true })
  await writeFile(join(root, 'Dockerfile'), dockerfile)
  for (let at = 0; at < files; at++) {
    const into = join(root, 'deps', `package-${at % 80}`, `lib-${at % 7}`)
    await mkdir(into, { recursive: true })
    await writeFile(join(into, `file-${at}.js`), code(at, Math.floor(bytes / files)))
  }
  for (let at = 0; at < 20; at++) await writeFile(join(root, 'src', `s${at}.js`), code(at, 2000))
}

interface Way {
  readonly name: string
  /** Bytes that were sent, where it knows. */
  run(): Promise<number | null>
}

/** In a running process, as the server builds. */
function naruWay(root: string, cacheFolder: string, host: string): Way {
  const builder = dockerfileBuilder({ cacheFolder })
  return {
    name: 'naru',
    run: async () => {
      const store = registryClient({ host, clock: systemClock })
      const request: BuildRequest = {
        root,
        context: '.',
        dockerfile: 'Dockerfile',
        target: null,
        args: {},
        epochSeconds: 1_700_000_000,
        bases: basesOf(naruBase.store),
        destination: { store, repository: 'naru', tags: ['v1'] },
      }
      try {
        return (await builder.build(request, () => {}, never)).sentBytes
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
  const root = join(folder, 'app')
  await writeApp(root, 1520, 15 * 2 ** 20)
  const crane = await craneWay(root, registry.host)
  const ways = [
    naruWay(root, join(folder, 'cache-changed'), registry.host),
    dockerWay(buildkit, root, registry.host),
    ...(crane === null ? [] : [crane]),
  ]
  for (const way of ways) await way.run()
  console.log('one file changed')
  const changed = await inTurns(ways, ROUNDS, (round) => writeFile(join(root, 'src/s3.js'), code(1000 + round, 2000)))
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
  const root = join(folder, 'large')
  await writeApp(root, 12_000, 200 * 2 ** 20)
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
