import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../src/lib/clock.ts'
import { systemClock } from '../../src/os/system-clock.ts'
import { DiskStore } from '../../src/registry/disk/disk-store.ts'
import { EVERYTHING } from '../../src/registry/server/gate.ts'
import { registryRoutes } from '../../src/registry/server/registry-routes.ts'
import { StormClient, type Pushed } from './storm-client.ts'

const never = new AbortController().signal
const DAY_MS = 86_400_000

export interface Storm {
  /** Pushers and deleters at a time. */
  readonly workers: number
  /** Pushes, new tags and deletions in all. */
  readonly operations: number
  /** What the collections spare: shorter than the storm, so that they have work. */
  readonly graceMs: number
  readonly onProgress?: (done: number) => void
}

export interface Weather {
  readonly operations: Readonly<Record<string, number>>
  readonly collections: number
  /** What the collections took while the storm went on. */
  readonly collected: { readonly manifests: number; readonly blobs: number }
  /** Pushes that a collection made repeat something: the client had been slower than the grace. */
  readonly repeated: number
  /** What is wrong; empty when nothing is. */
  readonly lost: readonly string[]
  readonly kept: readonly string[]
}

/**
 * Pushers and deleters against a registry on HTTP while collections of garbage follow each other without a pause; then a last
 * collection of all that is older than now. Whatever a tag leads to must be there, with the right bytes, and nothing else.
 */
export async function collectionStorm({ workers, operations, graceMs, onProgress }: Storm): Promise<Weather> {
  const root = await mkdtemp(join(tmpdir(), 'naru-storm-'))
  const store = await DiskStore.open(root, systemClock)
  const routes = registryRoutes({ store, gate: () => EVERYTHING })
  const server = createServer((request, response) => void routes(request, response))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const pool = Array.from({ length: 60 }, () => randomBytes(200 + Math.floor(Math.random() * 3000)))
  const crew = Array.from(
    { length: workers },
    (_, n) => new Worker(n, new StormClient((server.address() as AddressInfo).port), pool),
  )
  const collected = { manifests: 0, blobs: 0 }
  let [done, collections, raging] = [0, 0, true]
  const work = async (worker: Worker) => {
    while (done < operations) {
      done++
      await worker.next()
      if (done % 100 === 0) onProgress?.(done)
    }
  }
  const collect = async () => {
    while (raging) {
      const { manifests, blobs } = await store.collectGarbage({ keep: new Set(), graceMs }, never)
      collections++
      collected.manifests += manifests
      collected.blobs += blobs
    }
  }
  try {
    const collecting = collect()
    await Promise.all(crew.map(work)).finally(() => {
      raging = false
    })
    await collecting
    const lost = (await Promise.all(crew.map((worker) => worker.missing()))).flat()
    const images = crew.flatMap((worker) => worker.images())
    for (const worker of crew) worker.client.close()
    server.close()
    await store.close()
    return {
      operations: sum(crew.map(({ counts }) => counts)),
      collections,
      collected,
      repeated: crew.reduce((all, { client }) => all + client.repeated, 0),
      lost,
      kept: await keptAfterAll(root, images),
    }
  } finally {
    server.closeAllConnections()
    await rm(root, { recursive: true, force: true })
  }
}

/** What is on the disk after a collection a day later although no image of these needs it, and the other way round. */
async function keptAfterAll(root: string, images: readonly Pushed[]): Promise<readonly string[]> {
  const tomorrow: Clock = { ...systemClock, now: () => systemClock.now() + DAY_MS }
  const store = await DiskStore.open(root, tomorrow)
  await store.collectGarbage({ keep: new Set() }, never)
  await store.close()
  const expected = new Set<string>()
  for (const { repository, tags, manifests, blobs, referrers } of images) {
    const at = `repositories/${repository}`
    for (const tag of tags) expected.add(`${at}/_tags/${tag}`)
    for (const digest of manifests) expected.add(`${at}/_manifests/${digest.replace(':', '/')}`)
    for (const digest of blobs) expected.add(`${at}/_blobs/${digest.replace(':', '/')}`)
    for (const [subject, digest] of referrers)
      expected.add(`${at}/_referrers/${subject.replace(':', '/')}/${digest.replace(':', '-')}`)
    for (const digest of [...manifests, ...blobs]) expected.add(`blobs/sha256/${digest.slice(7, 9)}/${digest.slice(7)}`)
  }
  const found = new Set<string>()
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) found.add(join(entry.parentPath, entry.name).slice(root.length + 1))
  return [
    ...[...found].filter((path) => !expected.has(path)).map((path) => `not needed: ${path}`),
    ...[...expected].filter((path) => !found.has(path)).map((path) => `not there: ${path}`),
  ]
}

type Kind = 'push' | 'index' | 'retag' | 'untag' | 'delete'
const PUSHES: readonly Kind[] = ['push', 'push', 'push', 'index']
const DELETIONS: readonly Kind[] = ['retag', 'untag', 'delete']
const REPOSITORIES = ['team/shop', 'team/blog', 'base', 'tools/a/b']
/** How many images a worker has at most before it rather deletes. */
const PLENTY = 12

/** One client, which remembers what it pushed and did not delete. Tags and manifests are its own; layers and repositories are everybody's. */
class Worker {
  readonly client: StormClient
  readonly counts: Record<string, number> = {}
  readonly #name: string
  readonly #pool: readonly Buffer[]
  readonly #images: Pushed[] = []
  readonly #do: Readonly<Record<Kind, () => Promise<void>>> = {
    push: async () => void this.#images.push(await this.#push()),
    index: async () => void this.#images.push(await this.#pushIndex()),
    retag: () => this.#retag(),
    untag: () => this.#remove(false),
    delete: () => this.#remove(true),
  }
  #count = 0

  constructor(number: number, client: StormClient, pool: readonly Buffer[]) {
    this.client = client
    this.#name = `w${number}`
    this.#pool = pool
  }

  images(): readonly Pushed[] {
    return this.#images
  }

  async next(): Promise<void> {
    const kinds =
      this.#images.length === 0 ? PUSHES : this.#images.length > PLENTY ? DELETIONS : [...PUSHES, ...DELETIONS]
    const kind = one(kinds)
    this.counts[kind] = (this.counts[kind] ?? 0) + 1
    await this.#do[kind]()
  }

  async missing(): Promise<readonly string[]> {
    const lost: string[] = []
    for (const image of this.#images) lost.push(...(await this.client.missing(image)))
    return lost
  }

  /** An image of two or three layers, one of them mostly one that others have too; every fourth with a signature. */
  async #push(): Promise<Pushed> {
    const repository = one(REPOSITORIES)
    const layers = [one(this.#pool), one(this.#pool), randomBytes(500)].slice(Math.random() < 0.5 ? 0 : 1)
    const config = Buffer.from(
      JSON.stringify({ architecture: 'amd64', os: 'linux', by: `${this.#name} ${this.#count}` }),
    )
    const image = await this.client.pushImage(repository, config, layers, `${this.#name}-${this.#count++}`)
    return Math.random() < 0.25 ? this.client.pushSignature(image, Buffer.from('{}')) : image
  }

  /** An index of two images that have no tags of their own. */
  async #pushIndex(): Promise<Pushed> {
    const repository = one(REPOSITORIES)
    const parts = ['amd64', 'arm64'].map((architecture) => {
      const config = { architecture, os: 'linux', by: `${this.#name} ${this.#count}` }
      return { config: Buffer.from(JSON.stringify(config)), layer: one(this.#pool) }
    })
    const push = async () => {
      const children: Pushed[] = []
      for (const { config, layer } of parts)
        children.push(await this.client.pushImage(repository, config, [layer], null))
      return children
    }
    return this.client.pushIndex(push, `${this.#name}-${this.#count++}`)
  }

  /** The tag of one image moves to a new one: the old one has no name any more. */
  async #retag(): Promise<void> {
    const at = Math.floor(Math.random() * this.#images.length)
    const old = this.#images[at]
    const [tag] = old?.tags ?? []
    if (old === undefined || tag === undefined) return
    const config = Buffer.from(JSON.stringify({ os: 'linux', by: `${this.#name} ${this.#count++} again` }))
    this.#images[at] = await this.client.pushImage(old.repository, config, [one(this.#pool)], tag)
  }

  async #remove(byDigest: boolean): Promise<void> {
    const [image] = this.#images.splice(Math.floor(Math.random() * this.#images.length), 1)
    if (image !== undefined) await this.client.remove(image, byDigest)
  }
}

const one = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T

function sum(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {}
  for (const counts of all) for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count
  return total
}
