import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Clock } from '../../lib/clock.ts'
import { DeployError } from '../../model/failure.ts'
import type { KeepingReport } from '../../model/registry-keeping.ts'
import { DiskStore } from '../disk/disk-store.ts'
import { aBlob, aFolder, anImage, never, putBlob } from '../testing.ts'
import { Housekeeping, type HousekeepingPlan } from './housekeeping.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** Time that goes on only when a test says so; who sleeps wakes then. */
class TestClock implements Clock {
  #at = Date.now()
  readonly #sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>()
  now = () => this.#at
  monotonic = () => this.#at
  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#sleepers.add({ atMs: this.#at + ms, wake: resolve })
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
  }
  /** In steps, as whoever wakes sleeps again. */
  async move(ms: number, sleepers = 1): Promise<void> {
    for (const end = this.#at + ms; this.#at < end; ) {
      await expect.poll(() => this.#sleepers.size, { timeout: 20_000, interval: 1 }).toBeGreaterThanOrEqual(sleepers)
      this.#at = Math.min(end, Math.min(...[...this.#sleepers].map(({ atMs }) => atMs)))
      for (const sleeper of this.#sleepers) {
        if (sleeper.atMs > this.#at) continue
        this.#sleepers.delete(sleeper)
        sleeper.wake()
      }
    }
  }
}

const NOTHING: HousekeepingPlan = { collectEveryMs: null, rules: [], scrubEveryMs: null, bytesPerSecond: null }

async function aHouse() {
  const folder = await aFolder()
  const clock = new TestClock()
  const store = await DiskStore.open(join(folder.path, 'registry'), clock)
  const told: KeepingReport[] = []
  const broken = { memory: false }
  const kept = async () => {
    if (broken.memory) throw new DeployError('MEMORY_UNUSABLE', 'it cannot be read', { hint: 'Look.' })
    return new Set<string>()
  }
  const keeping = { store, kept, elsewhere: () => async () => null, now: clock.now }
  const running: Housekeeping[] = []
  return {
    store,
    clock,
    told,
    broken,
    begin(plan: Partial<HousekeepingPlan>): Housekeeping {
      const tools = {
        keeping,
        folder: join(folder.path, 'kept'),
        clock,
        tell: (report: KeepingReport) => void told.push(report),
      }
      const housekeeping = new Housekeeping({ ...NOTHING, ...plan }, tools)
      running.push(housekeeping)
      housekeeping.start()
      return housekeeping
    },
    /** A blob that nothing names, last used long ago. */
    async garbage(): Promise<string> {
      const { digest } = await putBlob(store, 'shop', aBlob().bytes)
      const then = clock.now() / 1000 - 86_400
      const hex = digest.slice(7)
      for (const path of [`blobs/sha256/${hex.slice(0, 2)}/${hex}`, `repositories/shop/_blobs/sha256/${hex}`])
        await utimes(join(folder.path, 'registry', path), then, then)
      return digest
    },
    says: (count: number) => expect.poll(() => told.length, { timeout: 20_000 }).toBe(count),
    async [Symbol.asyncDispose]() {
      for (const each of running) await each.close()
      await store.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}

it('collects when its time has come, over restarts', async () => {
  await using house = await aHouse()
  await house.garbage()
  const first = house.begin({ collectEveryMs: DAY_MS })
  await house.says(1)
  expect(house.told[0]).toMatchObject({ kind: 'collected', blobs: 1 })
  await first.close()
  await house.garbage()
  house.begin({ collectEveryMs: DAY_MS })
  await house.clock.move(DAY_MS - MINUTE_MS)
  expect(house.told.length).toBe(1)
  await house.clock.move(MINUTE_MS)
  await house.says(2)
  expect(house.told[1]).toMatchObject({ kind: 'collected', blobs: 1 })
})

it('does nothing that it was not told to', async () => {
  await using house = await aHouse()
  await house.garbage()
  const housekeeping = house.begin({})
  housekeeping.full(new Error('a quota'))
  await housekeeping.close()
  expect(house.told).toEqual([])
})

it('F6: tells of a full disk and collects at once, but not for each of many pushes that it refuses', async () => {
  await using house = await aHouse()
  const housekeeping = house.begin({ collectEveryMs: DAY_MS })
  await house.says(1)
  await house.garbage()
  const full = new DeployError('DISK_FULL', 'no space left', { hint: 'Free some.' })
  for (let n = 0; n < 20; n++) housekeeping.full(full)
  await house.says(3)
  expect(house.told.slice(1)).toMatchObject([
    { kind: 'failed', code: 'DISK_FULL' },
    { kind: 'collected', blobs: 1 },
  ])
  await house.clock.move(11 * MINUTE_MS)
  housekeeping.full(full)
  await house.says(5)
})

it('tells what failed, and tries it again after a while', async () => {
  await using house = await aHouse()
  house.broken.memory = true
  const digest = await house.garbage()
  house.begin({ collectEveryMs: DAY_MS })
  await house.says(1)
  expect(house.told[0]).toMatchObject({ kind: 'failed', code: 'MEMORY_UNUSABLE' })
  expect(await house.store.statBlob('shop', digest, never)).not.toBeNull()
  house.broken.memory = false
  await house.clock.move(10 * MINUTE_MS)
  await house.says(2)
  expect(house.told[1]).toMatchObject({ kind: 'collected' })
})

it('lets copies go that nobody asked for in the time that is set, and scrubs in its own time', async () => {
  await using house = await aHouse()
  await anImage(house.store, 'hub/shop', { tags: ['v1'] })
  await anImage(house.store, 'shop', { tags: ['v1'] })
  const rule = { repositories: 'hub/**', tags: [], protect: [], keepLast: null, olderThanMs: 90 * MINUTE_MS }
  house.begin({ collectEveryMs: HOUR_MS, rules: [rule], scrubEveryMs: 2 * HOUR_MS })
  await house.says(2)
  expect(house.told.map(({ kind }) => kind).sort()).toEqual(['collected', 'scrubbed'])
  await house.clock.move(HOUR_MS, 2)
  await house.says(3)
  expect(await house.store.tags('hub/shop', never)).toEqual(['v1'])
  await house.clock.move(HOUR_MS, 2)
  await house.says(5)
  expect(await house.store.tags('hub/shop', never)).toEqual([])
  expect(await house.store.tags('shop', never)).toEqual(['v1'])
})
