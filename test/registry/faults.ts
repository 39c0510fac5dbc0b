import { spawnSync } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../src/lib/clock.ts'
import { systemClock } from '../../src/os/system-clock.ts'
import { digestOf } from '../../src/registry/digest.ts'
import { DiskStore } from '../../src/registry/disk/disk-store.ts'
import { CONFIG, LAYER, NEW, NEW_LAYER, OLD, SIGNATURE } from './fault-images.ts'

const never = new AbortController().signal
const DAY_MS = 86_400_000
const RUN_MS = 60_000

/**
 * System calls by which a store changes its folder, and what happens at one. `write` is also how the threads of libuv wake each other: a
 * process can be killed there, and not be told that the disk is full (disk-full.test.ts does that on a small disk).
 */
export const FAULTS = {
  killed: {
    calls: ['mkdir', 'rename', 'unlink', 'rmdir', 'fsync', 'fdatasync', 'utimensat', 'write', 'pwrite64'],
    inject: 'signal=SIGKILL',
  },
  full: { calls: ['mkdir', 'rename', 'fsync', 'fdatasync'], inject: 'error=ENOSPC' },
} as const

export type Fault = keyof typeof FAULTS
export const OPERATIONS = ['upload', 'manifest', 'collect'] as const
export type Operation = (typeof OPERATIONS)[number]

/** A folder to begin with: an old image with a tag and a signature, and garbage. */
export async function preparedStore(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'naru-faults-'))
  const { status, stderr } = child([], root, 'prepare')
  if (status !== 0) throw new Error(stderr)
  return root
}

/**
 * Runs an operation on a copy of `prepared` with a fault at its nth such call, and tells what is wrong afterwards: nothing acknowledged
 * may be lost, nothing half may be seen, nothing may stay for ever, and the same operation must go through then. `reached` false: it makes
 * fewer of them.
 */
export async function faultAt(prepared: string, operation: Operation, fault: Fault, call: string, nth: number) {
  const folder = await mkdtemp(join(tmpdir(), 'naru-fault-'))
  const root = join(folder, 'store')
  try {
    await cp(prepared, root, { recursive: true, preserveTimestamps: true })
    const { inject } = FAULTS[fault]
    const strace = ['strace', '-f', '-qq', '-o', join(folder, 'trace'), '-e', `trace=${call}`]
    const ran = child([...strace, '-e', `inject=${call}:${inject}:when=${nth}`], root, operation)
    const reached = ran.signal !== null || (await readFile(join(folder, 'trace'), 'utf8')).includes('INJECTED')
    const problems = [...(await torn(root)), ...(await check(root, operation, ran.stdout.startsWith('done')))]
    if (fault === 'full' && reached && !/^(done|DISK_FULL)\n$/.test(ran.stdout)) problems.push(`told: ${ran.stdout}`)
    const again = child([], root, operation)
    if (again.stdout !== 'done\n') problems.push(`once more: ${again.stdout}${again.stderr}`)
    problems.push(...(await check(root, operation, true)), ...(await leftovers(root, operation)))
    return { reached, problems }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function child(before: readonly string[], root: string, operation: string) {
  const command = [...before, process.execPath, join(import.meta.dirname, 'fault-child.ts'), root, operation]
  // One thread for the disk: the nth change is the same one in each run.
  const env = {
    ...process.env,
    UV_THREADPOOL_SIZE: '1',
    NODE_COMPILE_CACHE: join(import.meta.dirname, '../../node_modules/.cache/naru-faults'),
  }
  return spawnSync(command[0] ?? '', command.slice(1), { encoding: 'utf8', env, timeout: RUN_MS })
}

/** Files of blobs whose bytes are not what their names say. */
async function torn(root: string): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(join(root, 'blobs'), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const bytes = await readFile(join(entry.parentPath, entry.name))
    if (digestOf(bytes) !== `sha256:${entry.name}`) found.push(`torn: ${entry.name}, ${bytes.length} bytes`)
  }
  return found
}

/** What a client would find wrong. */
async function check(root: string, operation: Operation, acknowledged: boolean): Promise<string[]> {
  const store = await DiskStore.open(root, systemClock)
  const problems = [...(await oldImage(store, operation)), ...(await newContent(store, operation, acknowledged))]
  await store.close()
  const left = await readdir(join(root, 'uploads'))
  return left.length > 0 ? [...problems, `left in uploads: ${left}`] : problems
}

async function oldImage(store: DiskStore, operation: Operation): Promise<string[]> {
  const problems: string[] = []
  const isNew = operation === 'manifest' && (await isTagged(store, 'old', NEW))
  if (!isNew && !(await isTagged(store, 'old', OLD))) problems.push('the old tag is lost')
  for (const blob of [CONFIG, LAYER])
    if ((await store.statBlob('shop', digestOf(blob), never)) !== blob.length) problems.push('an old blob is lost')
  const signed = (await Array.fromAsync(store.referrers('shop', digestOf(OLD)))).map(({ digest }) => digest)
  if (!signed.includes(digestOf(SIGNATURE))) problems.push('the signature of the old image is lost')
  return problems
}

/** What was acknowledged is there; what was not is there whole or not at all. */
async function newContent(store: DiskStore, operation: Operation, acknowledged: boolean): Promise<string[]> {
  if (operation === 'upload') {
    const size = await store.statBlob('shop', digestOf(NEW_LAYER), never)
    return size === NEW_LAYER.length || (size === null && !acknowledged) ? [] : [`the new blob has ${size} bytes`]
  }
  if (operation !== 'manifest' || !acknowledged) return []
  return (await isTagged(store, 'new', NEW)) && (await isTagged(store, 'old', NEW)) ? [] : ['the manifest is lost']
}

async function isTagged(store: DiskStore, tag: string, manifest: Buffer): Promise<boolean> {
  const found = await store.readManifest('shop', tag, never)
  return found !== null && manifest.equals(found.bytes)
}

/** What a collection a day later does not take although nothing needs it. */
async function leftovers(root: string, operation: Operation): Promise<string[]> {
  const tomorrow: Clock = { ...systemClock, now: () => systemClock.now() + DAY_MS }
  const store = await DiskStore.open(root, tomorrow)
  await store.collectGarbage({ keep: new Set() }, never)
  await store.close()
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).length
  // Two blobs with their marks, each manifest with its mark, the referrers, the tags. The new manifest leads to neither of the two others.
  const expected = operation === 'manifest' ? 4 + 2 + 1 + 2 : 4 + 4 + 1 + 1
  return files === expected ? [] : [`${files} files stay, not ${expected}`]
}
