import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../os/system-clock.ts'
import { registryClient } from '../client/registry-client.ts'
import { aBlob, anImage, bytesOf, never, putBlob, serving } from '../testing.ts'
import { DiskStore } from './disk-store.ts'
import { aTmpfs, mayMount, type Tmpfs } from './testing-tmpfs.ts'

const mounts: Tmpfs[] = []

function aSmallDisk(options: string): string {
  const mounted = aTmpfs(options)
  if (mounted === null) throw new Error('it cannot be mounted')
  mounts.push(mounted)
  return mounted.path
}

const freeBytes = async (path: string) => {
  const { bavail, bsize } = await statfs(path)
  return bavail * bsize
}
const freeFiles = async (path: string) => (await statfs(path)).ffree

describe.skipIf(!mayMount())('F6: a full disk (needs root to mount a small tmpfs)', () => {
  afterEach(() => {
    for (const mounted of mounts.splice(0)) mounted[Symbol.dispose]()
  })

  it('fails cleanly at whichever write the space ends, keeps what was there, and works again with room', async () => {
    const root = aSmallDisk('size=512k')
    const store = await DiskStore.open(root, systemClock)
    const old = await anImage(store, 'shop', { tags: ['old'], layers: [randomBytes(10_000)] })
    const filler = join(root, 'filler')
    let failures = 0
    for (let pages = 0; pages < 16; pages++) {
      await rm(filler, { force: true })
      await writeFile(filler, Buffer.alloc((await freeBytes(root)) - pages * 4096))
      const before = await freeBytes(root)
      const { bytes, digest } = aBlob(20_000)
      const failed = await putBlob(store, `shop/n${pages}`, bytes).then(
        () => null,
        (reason) => reason,
      )
      if (failed !== null) {
        failures++
        expect(failed).toMatchObject({ code: 'DISK_FULL' })
        expect(await store.statBlob(`shop/n${pages}`, digest, never)).toBeNull()
        expect(before - (await freeBytes(root))).toBeLessThanOrEqual(8192)
      }
      expect((await store.readManifest('shop', 'old', never))?.descriptor.digest).toBe(old.descriptor.digest)
      expect(await bytesOf(await store.readBlob('shop', old.configBlob.digest, never))).toHaveLength(
        old.configBlob.size,
      )
    }
    expect(failures).toBeGreaterThan(3)
    expect(failures).toBeLessThan(16)
    await rm(filler)
    await anImage(store, 'shop/again', { tags: ['new'], layers: [randomBytes(10_000)] })
    await store.close()
  })

  it('fails cleanly at whichever file or folder cannot be made any more', async () => {
    const root = aSmallDisk('size=4m,nr_inodes=400')
    const store = await DiskStore.open(root, systemClock)
    await anImage(store, 'shop', { tags: ['old'] })
    let failures = 0
    for (let left = 0; left < 24; left++) {
      const spare = join(root, `spare-${left}`)
      const free = await freeFiles(root)
      if (free > left + 1) await mkdir(spare)
      for (let n = 0; n < free - left - 1; n++) await writeFile(join(spare, String(n)), '')
      const failed = await anImage(store, `shop/n${left}`, { tags: ['v1'] }).then(
        () => null,
        (reason) => reason,
      )
      if (failed !== null) {
        failures++
        expect(failed).toMatchObject({ code: 'DISK_FULL' })
        expect(await store.readManifest(`shop/n${left}`, 'v1', never)).toBeNull()
      }
      expect(await store.readManifest('shop', 'old', never)).not.toBeNull()
      const uploads = await readdir(join(root, 'uploads'), { recursive: true, withFileTypes: true })
      expect(uploads.filter((entry) => entry.isFile())).toEqual([])
      await rm(spare, { recursive: true, force: true })
    }
    expect(failures).toBeGreaterThan(5)
    await store.close()
  })

  it('answers a push 507, which the client tells as a refusal, and serves on', async () => {
    const root = aSmallDisk('size=256k')
    const store = await DiskStore.open(root, systemClock)
    const { digest } = await putBlob(store, 'shop', aBlob(1000).bytes)
    await using server = await serving(store)
    const client = registryClient({ host: server.host, clock: systemClock, tries: 1 })
    await expect(putBlob(client, 'shop', aBlob(1_000_000).bytes)).rejects.toMatchObject({
      code: 'REGISTRY_REFUSED',
      message: expect.stringMatching(/no space left/),
    })
    expect(await client.statBlob('shop', digest, never)).toBe(1000)
    client.close()
    await store.close()
  })
})
