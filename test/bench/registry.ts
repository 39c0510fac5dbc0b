// Naru's registry beside Debian's docker-registry, in turns on the same files and the same machine: processor time of the server
// for manifests, pushes and pulls; memory of 8 uploads at once; start with 100,000 blobs. Usage: node test/bench/registry.ts [rounds] [GB of each large upload]
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { MEDIA_TYPES } from '../../src/model/descriptor.ts'
import { type Figure, median, printFigures, round } from './harness/figures.ts'
import { headLoad } from './harness/head-load.ts'
import { type BlobFile, pushBySkopeo, patchInChunks, putWhole } from './harness/push-blob.ts'
import { cpuMs, type Measured, peakMb, serveDocker, serveNaru } from './harness/registries.ts'

const exec = promisify(execFile)
const MB = 2 ** 20
const BLOB_BYTES = 100 * MB
const LOAD_SECONDS = 3
const CONNECTIONS = 8
const BLOBS = 100_000
/** Blobs that are pushed each way in a round: the processor time of one is measured in steps of 10 ms. */
const PUSHES = 3

const rounds = Math.max(Number(process.argv[2]) || 5, 1)
const largeBytes = (Number(process.argv[3]) || 1) * 1024 * MB
const folder = await mkdtemp(join(tmpdir(), 'naru-bench-registry-'))
try {
  const figures = [...(await sideBySide()), await eightAtOnce(), await startWithMany()]
  printFigures('registry', figures)
  process.exitCode = figures.every(({ reached }) => reached) ? 0 : 1
} finally {
  await rm(folder, { recursive: true, force: true })
}

/** Processor time of one server, in the unit of its name. */
interface Costs {
  readonly getUs: number
  readonly headUs: number
  readonly pushMsPerMb: number
  readonly chunksMsPerMb: number
  readonly skopeoMsPerMb: number
  readonly pullMsPerMb: number
  readonly pullMs: number
}

async function sideBySide(): Promise<readonly Figure[]> {
  await mkdir(join(folder, 'docker'))
  await using naru = await serveNaru(join(folder, 'naru'))
  await using docker = await serveDocker(join(folder, 'docker'))
  const costs = new Map<string, Costs[]>()
  for (const peer of [naru, docker]) await pushImage(peer)
  for (const peer of [naru, docker]) await warmUp(peer)
  for (let at = 0; at < rounds; at++) {
    for (const peer of at % 2 === 0 ? [naru, docker] : [docker, naru]) {
      const cost = await measure(peer)
      costs.set(peer.name, [...(costs.get(peer.name) ?? []), cost])
      process.stderr.write(`${peer.name} ${JSON.stringify(cost)}\n`)
    }
  }
  const of = (name: string, cost: keyof Costs) => median((costs.get(name) ?? []).map((each) => each[cost]))
  const figure = (name: string, cost: keyof Costs, most: number, unit: string): Figure => {
    const [ours, theirs] = [of('naru', cost), of('docker-registry', cost)]
    const ratio = ours / theirs
    const value = `${round(ratio, 3)} (${round(ours, 2)} ${unit}, docker-registry ${round(theirs, 2)})`
    return { name, target: `≤ ${round(most, 3)}`, value, n: rounds, reached: ratio <= most }
  }
  return [
    figure('CPU per manifest GET by tag', 'getUs', 1 / 8, 'µs'),
    figure('CPU per manifest HEAD by tag', 'headUs', 1 / 8, 'µs'),
    figure('CPU per MB pushed (100 MB blob, PUT)', 'pushMsPerMb', 1 / 3, 'ms'),
    figure('CPU per MB pushed (100 MB blob, PATCH in chunks, curl)', 'chunksMsPerMb', 1 / 3, 'ms'),
    figure('CPU per MB pushed (100 MB layer, by skopeo)', 'skopeoMsPerMb', 1 / 3, 'ms'),
    figure('CPU per MB pulled (100 MB blob)', 'pullMsPerMb', 1, 'ms'),
    figure('time to pull a 100 MB blob', 'pullMs', 1, 'ms'),
  ]
}

async function measure(peer: Measured): Promise<Costs> {
  const manifest = '/v2/shop/manifests/v1'
  const getUs = await cpuPer(peer, () => wrk(`http://${peer.host}${manifest}`))
  const head = () => headLoad(peer.host, manifest, MEDIA_TYPES.imageManifest, CONNECTIONS, LOAD_SECONDS * 1000)
  const headUs = await cpuPer(peer, head)
  const [pushMsPerMb, digest] = await push(peer, putWhole)
  const [chunksMsPerMb] = await push(peer, patchInChunks)
  const [skopeoMsPerMb] = await push(peer, pushBySkopeo)
  const times: number[] = []
  const pulls = 4
  const pull = async () => {
    for (let n = 0; n < pulls; n++) times.push(await download(peer, digest))
    return (pulls * BLOB_BYTES) / MB
  }
  const pullMsPerMb = (await cpuPer(peer, pull)) / 1000
  return { getUs, headUs, pushMsPerMb, chunksMsPerMb, skopeoMsPerMb, pullMsPerMb, pullMs: median(times) }
}

/** Processor time in ms for each MB that is pushed so; the digest of one of the blobs. */
async function push(peer: Measured, way: typeof putWhole): Promise<readonly [number, string]> {
  let cpu = 0
  let digest = ''
  for (let n = 0; n < PUSHES; n++) {
    const file = await aFile(BLOB_BYTES)
    await useMemory()
    cpu += await cpuPer(peer, async () => {
      await way(peer, file)
      return BLOB_BYTES / MB
    })
    await rm(file.path)
    digest = file.digest
  }
  return [cpu / PUSHES / 1000, digest]
}

/** Both are measured as they are when they have run for a while: the first push and pull compile what they need. */
async function warmUp(peer: Measured): Promise<void> {
  for (const way of [putWhole, patchInChunks, pushBySkopeo]) {
    const file = await aFile(BLOB_BYTES)
    await way(peer, file)
    await download(peer, file.digest)
    await rm(file.path)
  }
}

/** Processor time of a server in µs for each of what `work` says that it did. */
async function cpuPer({ pid }: Measured, work: () => Promise<number>): Promise<number> {
  const before = cpuMs(pid)
  const count = await work()
  return ((cpuMs(pid) - before) * 1000) / count
}

async function wrk(url: string): Promise<number> {
  const args = ['-t1', `-c${CONNECTIONS}`, `-d${LOAD_SECONDS}s`, '-H', `Accept: ${MEDIA_TYPES.imageManifest}`, url]
  const { stdout } = await exec('wrk', args)
  if (stdout.includes('Non-2xx')) throw new Error(stdout)
  return Number(/(\d+) requests in/.exec(stdout)?.[1])
}

/**
 * Fills and frees as much of the page cache as a push needs, until that is cheap. On a virtual machine whose host takes unused memory back,
 * whoever gets such memory first pays 3 ms for each MB of it (measured; 0.2 ms otherwise), and that is no cost of a registry.
 */
async function useMemory(): Promise<void> {
  const path = join(folder, 'memory')
  const bytes = Buffer.alloc(2 * BLOB_BYTES, 1)
  for (let at = 0; at < 10; at++) {
    const before = process.cpuUsage()
    await writeFile(path, bytes)
    const { system } = process.cpuUsage(before)
    await rm(path)
    if (system < bytes.length / 2000) return
  }
}

/** How long one pull took, in ms. */
async function download({ host }: Measured, digest: string): Promise<number> {
  const written = '%{http_code} %{size_download} %{time_total}'
  const url = `http://${host}/v2/shop/blobs/${digest}`
  const [status, size, seconds] = (await exec('curl', ['-sS', '-o', '/dev/null', '-w', written, url])).stdout.split(' ')
  if (status !== '200' || Number(size) !== BLOB_BYTES) throw new Error(`${host} answered ${status} with ${size} bytes`)
  return Number(seconds) * 1000
}

async function pushImage(peer: Measured): Promise<void> {
  const put = async (bytes: Buffer, mediaType: string) => {
    const path = join(folder, 'small')
    await writeFile(path, bytes)
    await putWhole(peer, { path, digest: digestOf(bytes) })
    return { mediaType, digest: digestOf(bytes), size: bytes.length }
  }
  const config = await put(Buffer.from('{"architecture":"amd64","os":"linux"}'), MEDIA_TYPES.imageConfig)
  const layers = []
  for (let n = 0; n < 8; n++) layers.push(await put(randomBytes(1000), MEDIA_TYPES.layerGzip))
  const body = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.imageManifest, config, layers })
  const headers = { 'Content-Type': MEDIA_TYPES.imageManifest }
  const { status } = await fetch(`http://${peer.host}/v2/shop/manifests/v1`, { method: 'PUT', body, headers })
  if (status !== 201) throw new Error(`${peer.name} answered ${status} to a manifest`)
}

/** 8 large uploads at once: what `naru registry serve` holds at most, and by how much that is more than with one of them. */
async function eightAtOnce(): Promise<Figure> {
  await using naru = await serveNaru(join(folder, 'large'))
  const file = await aFile(largeBytes)
  await putWhole(naru, file)
  const one = peakMb(naru.pid)
  await Promise.all(Array.from({ length: 8 }, () => putWhole(naru, file)))
  await rm(file.path)
  const peak = peakMb(naru.pid)
  const each = (peak - one) / 7
  return {
    name: `memory of 8 uploads of ${largeBytes / 1024 / MB} GB at once`,
    target: '≤ 150 MB RSS, ≤ 2 MB each',
    value: `${round(peak)} MB, ${round(each, 1)} MB each`,
    n: 1,
    reached: peak <= 150 && each <= 2,
  }
}

/** From the start of the process to its first answer, on a store with so many blobs. */
async function startWithMany(): Promise<Figure> {
  const data = join(folder, 'many')
  const marks = join(data, 'registry/repositories/shop/_blobs/sha256')
  await mkdir(marks, { recursive: true })
  for (let n = 0; n < BLOBS; n++) {
    const hex = digestOf(Buffer.from(String(n))).slice('sha256:'.length)
    const shard = join(data, 'registry/blobs/sha256', hex.slice(0, 2))
    if (n < 4096) await mkdir(shard, { recursive: true })
    await Promise.all([writeFile(join(shard, hex), String(n)), writeFile(join(marks, hex), '')])
  }
  const times: number[] = []
  for (let at = 0; at < rounds; at++) {
    const started = performance.now()
    await using naru = await serveNaru(data)
    const head = await fetch(`http://${naru.host}/v2/shop/blobs/${digestOf(Buffer.from('1'))}`, { method: 'HEAD' })
    if (head.status !== 200) throw new Error(`answered ${head.status}`)
    times.push(performance.now() - started)
  }
  const value = median(times)
  return {
    name: `start to first answer with ${BLOBS.toLocaleString('en')} blobs`,
    target: '≤ 1000 ms',
    value: `${round(value)} ms`,
    n: rounds,
    reached: value <= 1000,
  }
}

/** A file of bytes that nobody has yet: random ones, repeated. */
async function aFile(bytes: number): Promise<BlobFile> {
  const path = join(folder, `file-${randomBytes(4).toString('hex')}`)
  const hash = createHash('sha256')
  const piece = randomBytes(4 * MB)
  const handle = await open(path, 'w')
  try {
    for (let at = 0; at < bytes; at += piece.length) {
      const part = piece.subarray(0, Math.min(piece.length, bytes - at))
      hash.update(part)
      await handle.write(part)
    }
  } finally {
    await handle.close()
  }
  return { path, digest: `sha256:${hash.digest('hex')}` }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
