import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openSqliteMemory } from '../memory/sqlite-memory.ts'
import { aRelease, SHOP } from '../memory/testing.ts'
import type { KeepingReport, KeepingRequest } from '../model/registry-keeping.ts'
import { systemClock as clock } from '../os/system-clock.ts'
import { DiskStore } from '../registry/disk/disk-store.ts'
import { anImage, never } from '../registry/testing.ts'
import { dataPaths } from './data-folder.ts'
import { keepRegistry } from './keep-registry.ts'
import { lockFolder } from './folder-lock.ts'

async function aFolder() {
  const path = await mkdtemp(join(tmpdir(), 'naru-keep-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

const collect = (folder: string) => ask(folder, { kind: 'collect', dryRun: false, graceMs: 3_600_000, retention: null })

async function ask(folder: string, request: KeepingRequest): Promise<KeepingReport | undefined> {
  const reports: KeepingReport[] = []
  for await (const report of keepRegistry(folder, request, never)) reports.push(report)
  return reports.at(-1)
}

it('never takes what a release of the folder can be rolled back to, also where no server runs', async () => {
  await using folder = await aFolder()
  const { registry, keyFile } = dataPaths(folder.path)
  const store = await DiskStore.open(registry, clock)
  const [kept, gone] = [await anImage(store, 'shop', { tags: ['v1'] }), await anImage(store, 'shop')]
  await store.close()
  const memory = await openSqliteMemory({ folder: folder.path, keyFile, clock, signal: never })
  const lease = await memory.acquireLease(SHOP, 'test', 60_000, clock.now())
  await memory.addRelease(aRelease({ artifact: kept.descriptor }), lease.token)
  await memory.close()
  const then = Date.now() / 1000 - 86_400
  for (const entry of await readdir(registry, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) await utimes(join(entry.parentPath, entry.name), then, then)
  expect(await collect(folder.path)).toMatchObject({ kind: 'collected', manifests: 1, blobs: 4 })
  const remove = (reference: string) => ask(folder.path, { kind: 'remove', repository: 'shop', reference })
  await expect(remove(kept.descriptor.digest)).rejects.toMatchObject({
    code: 'USAGE_INVALID',
    message: expect.stringContaining('can still be rolled back to'),
  })
  expect(await remove('v1')).toMatchObject({ kind: 'removed', wasThere: true })
  const again = await DiskStore.open(registry, clock)
  expect(await again.readManifest('shop', kept.descriptor.digest, never)).not.toBeNull()
  expect(await again.readManifest('shop', gone.descriptor.digest, never)).toBeNull()
  await again.close()
})

it('works on no folder that another process works on without listening', async () => {
  await using folder = await aFolder()
  const lock = lockFolder(dataPaths(folder.path).lock, folder.path)
  try {
    await expect(collect(folder.path)).rejects.toMatchObject({ code: 'SERVER_IN_USE' })
  } finally {
    lock.release()
  }
})
