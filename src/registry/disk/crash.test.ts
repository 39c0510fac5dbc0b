import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { systemClock } from '../../os/system-clock.ts'
import { digestOf } from '../digest.ts'
import { aFolder, bytesOf, never } from '../testing.ts'
import { DiskStore } from './disk-store.ts'

/** Writes images without end and tells each one once it is acknowledged: `DIGEST-OF-A-LAYER TAG`. */
const WRITER = `
  import { randomBytes } from 'node:crypto'
  const { DiskStore } = await import(process.argv[1] + '/disk/disk-store.ts')
  const { anImage, never } = await import(process.argv[1] + '/testing.ts')
  const { systemClock } = await import(process.argv[1] + '/../os/system-clock.ts')
  const store = await DiskStore.open(process.argv[2], systemClock)
  const writer = async (name) => {
    for (let n = 0; ; n++) {
      const tag = name + '-' + n
      const { layers } = await anImage(store, 'shop', { tags: [tag], layers: [randomBytes(n % 3 === 0 ? 900_000 : 4000)] })
      process.stdout.write(layers[0].digest + ' ' + tag + '\\n')
    }
  }
  await Promise.all(['a', 'b', 'c'].map(writer))
`

/** Starts the writer and kills it (SIGKILL) when `count` images are acknowledged; answers all that were. */
async function writeAndKill(root: string, count: number): Promise<readonly string[]> {
  const folder = join(import.meta.dirname, '..')
  const child = spawn(process.execPath, ['--input-type=module', '-e', WRITER, folder, root], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const acknowledged: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(line)
    if (acknowledged.length === count) child.kill('SIGKILL')
  }
  await ended
  return acknowledged
}

it('F14: after kill -9 in the middle of writes all that was acknowledged is there, and nothing is torn', async () => {
  await using folder = await aFolder()
  const acknowledged: string[] = []
  for (const count of [1, 2, 5, 9, 14]) {
    const before = await readdir(join(folder.path, 'uploads')).catch(() => [])
    acknowledged.push(...(await writeAndKill(folder.path, count)))
    expect((await readdir(join(folder.path, 'uploads'))).length).toBeGreaterThan(0)
    expect(before.length).toBe(0)
    const store = await DiskStore.open(folder.path, systemClock)
    for (const line of acknowledged) {
      const [digest = '', tag = ''] = line.split(' ')
      expect(digestOf(await bytesOf(await store.readBlob('shop', digest, never)))).toBe(digest)
      const tagged = await store.readManifest('shop', tag, never)
      // A later round writes the same tags again.
      expect(tagged).not.toBeNull()
    }
    for (const file of await readdir(join(folder.path, 'blobs'), { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue
      expect(digestOf(await readFile(join(file.parentPath, file.name)))).toBe(`sha256:${file.name}`)
    }
    expect(await readdir(join(folder.path, 'quarantine'))).toEqual([])
    await store.close()
  }
})

it('removes what a killed process was writing, and leaves alone what a live one writes', async () => {
  await using folder = await aFolder()
  await writeAndKill(folder.path, 1)
  const mine = await DiskStore.open(folder.path, systemClock)
  const id = await mine.uploads.begin('shop', 'sha256')
  const other = await DiskStore.open(folder.path, systemClock)
  expect(await readdir(join(folder.path, 'uploads'))).toHaveLength(1)
  expect(mine.uploads.get('shop', id ?? '')).not.toBeNull()
  const files = await readdir(join(folder.path, 'uploads'), { recursive: true })
  expect(files).toHaveLength(2)
  await mine.close()
  await other.close()
  expect(await readdir(join(folder.path, 'uploads'))).toEqual([])
})
