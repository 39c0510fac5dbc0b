/**
 * One operation on a store in a process of its own, which is killed or refused at a system call: `upload`, `manifest` or `collect`
 * on a folder, or `prepare`, which makes what they begin with. Prints `done` when the operation is acknowledged, or the code of its failure.
 */
import { Readable } from 'node:stream'
import { utimes } from 'node:fs/promises'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { MEDIA_TYPES } from '../../src/model/descriptor.ts'
import { DeployError } from '../../src/model/failure.ts'
import { systemClock } from '../../src/os/system-clock.ts'
import { digestOf } from '../../src/registry/digest.ts'
import { DiskStore } from '../../src/registry/disk/disk-store.ts'
import { CONFIG, imageOf, LAYER, NEW_LAYER, SIGNATURE } from './fault-images.ts'

const never = new AbortController().signal
const [, , root = '', operation = ''] = process.argv
const DAY_S = 86_400

const write = (store: DiskStore, bytes: Buffer) =>
  store.writeBlob('shop', { digest: digestOf(bytes), size: bytes.length }, () => Readable.from([bytes]), never)
const put = (store: DiskStore, manifest: Buffer, tags: readonly string[]) =>
  store.writeManifest('shop', { mediaType: MEDIA_TYPES.imageManifest, bytes: manifest }, tags, never)

/** An image with a tag and a signature, and an older image without any, which a collection takes. */
async function prepare(store: DiskStore): Promise<void> {
  for (const blob of [CONFIG, LAYER, Buffer.from('dead'), Buffer.from('{"dead":1}')]) await write(store, blob)
  await put(store, imageOf(CONFIG, [LAYER]), ['old'])
  await put(store, SIGNATURE, [])
  await put(store, imageOf(Buffer.from('{"dead":1}'), [Buffer.from('dead')], imageOf(CONFIG, [])), [])
  const then = Date.now() / 1000 - DAY_S
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) await utimes(join(entry.parentPath, entry.name), then, then)
}

const OPERATIONS: Readonly<Record<string, (store: DiskStore) => Promise<unknown>>> = {
  prepare,
  upload: (store) => write(store, NEW_LAYER),
  manifest: (store) => put(store, imageOf(CONFIG, [LAYER, LAYER], SIGNATURE), ['new', 'old']),
  collect: (store) => store.collectGarbage({ keep: new Set() }, never),
}

try {
  const store = await DiskStore.open(root, systemClock)
  await OPERATIONS[operation]?.(store)
  process.stdout.write('done\n')
  await store.close()
} catch (failed) {
  process.stdout.write(`${failed instanceof DeployError ? failed.code : String((failed as Error).stack)}\n`)
}
