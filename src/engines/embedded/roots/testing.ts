import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { type Descriptor, type ImageConfig, MEDIA_TYPES } from '../../../model/descriptor.ts'
import type { App } from '../../../model/app.ts'
import type { Release } from '../../../model/release.ts'
import { inCgroups } from '../../../os/cgroup.ts'
import type { ContentStore } from '../../../registry/content-store.ts'
import type { Launch } from '../launch.ts'

/** An entry of a crafted archive: any header field may lie. */
export interface CraftedEntry {
  readonly name: string
  readonly type?: string
  readonly content?: string | Buffer
  readonly link?: string
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  /** The 12 bytes of the size field, where they are not the content's size. */
  readonly size?: string
  readonly prefix?: string
}

/** A tar of entries exactly as they are given, with right checksums. */
export function craftTar(...entries: readonly CraftedEntry[]): Buffer {
  return Buffer.concat([...entries.map(craftEntry), Buffer.alloc(1024)])
}

function craftEntry(entry: CraftedEntry): Buffer {
  const content = Buffer.from(entry.content ?? '')
  const octal = (value: number, length: number) => `${value.toString(8).padStart(length - 1, '0')}\0`
  const header = Buffer.alloc(512)
  header.write(entry.name, 0, 100)
  header.write(octal(entry.mode ?? 0o644, 8), 100, 'latin1')
  header.write(octal(entry.uid ?? 0, 8), 108, 'latin1')
  header.write(octal(entry.gid ?? 0, 8), 116, 'latin1')
  header.write(entry.size ?? octal(content.length, 12), 124, 12, 'latin1')
  header.write(octal(1_700_000_000, 12), 136, 'latin1')
  header.write('        ', 148, 'latin1')
  header.write(entry.type ?? '0', 156, 'latin1')
  header.write(entry.link ?? '', 157, 100)
  header.write('ustar\x0000', 257, 'latin1')
  header.write(entry.prefix ?? '', 345, 155)
  let sum = 0
  for (const byte of header) sum += byte
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)])
}

/** A PAX header with these records, to stand before an entry. */
export function paxEntry(records: Readonly<Record<string, string>>, type = 'x'): CraftedEntry {
  const lines = Object.entries(records).map(([key, value]) => paxRecord(key, value))
  return { name: 'PaxHeaders/x', type, content: Buffer.concat(lines) }
}

function paxRecord(key: string, value: string): Buffer {
  const rest = Buffer.from(` ${key}=${value}\n`)
  let length = rest.length
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return Buffer.concat([Buffer.from(String(length)), rest])
}

export const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** A layer as it is stored, and what it says of itself. */
export interface CraftedLayer {
  readonly descriptor: Descriptor
  readonly diffId: string
  readonly bytes: Buffer
}

export function craftLayer(
  tar: Buffer,
  mediaType: string = MEDIA_TYPES.layerGzip,
  compress: (plain: Buffer) => Buffer = gzipSync,
): CraftedLayer {
  const bytes = compress(tar)
  return { descriptor: { mediaType, digest: sha256(bytes), size: bytes.length }, diffId: sha256(tar), bytes }
}

/** Blobs in memory, as a store that checks nothing: what we read is ours to verify. Only its reading half is there. */
export class CraftedStore {
  readonly blobs = new Map<string, Buffer>()
  reads = 0

  put(bytes: Buffer, mediaType: string): Descriptor {
    const digest = sha256(bytes)
    this.blobs.set(digest, bytes)
    return { mediaType, digest, size: bytes.length }
  }

  /** Stores an image of these layers and answers its manifest's descriptor. */
  putImage(layers: readonly CraftedLayer[], config: NonNullable<ImageConfig['config']> = {}): Descriptor {
    for (const { bytes, descriptor } of layers) this.blobs.set(descriptor.digest, bytes)
    const image: ImageConfig = {
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config,
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    }
    const manifest = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.imageManifest,
      config: this.put(Buffer.from(JSON.stringify(image)), MEDIA_TYPES.imageConfig),
      layers: layers.map(({ descriptor }) => descriptor),
    }
    return this.put(Buffer.from(JSON.stringify(manifest)), MEDIA_TYPES.imageManifest)
  }

  readonly readBlob: ContentStore['readBlob'] = (_repository, digest) => {
    this.reads++
    const bytes = this.blobs.get(digest)
    return bytes === undefined
      ? Promise.reject(new Error(`no blob ${digest}`))
      : Promise.resolve(Readable.from([bytes]))
  }

  readonly readManifest: ContentStore['readManifest'] = (_repository, reference) => {
    const bytes = this.blobs.get(reference)
    if (bytes === undefined) return Promise.resolve(null)
    const mediaType = MEDIA_TYPES.imageManifest
    return Promise.resolve({ descriptor: { mediaType, digest: reference, size: bytes.length }, bytes })
  }
}

const BUSYBOX = '/bin/busybox'
export const hasBusybox = existsSync(BUSYBOX)
export const scope = { app: 'shop', environment: 'local' }

const base: readonly CraftedEntry[] = [
  { name: 'bin/', type: '5', mode: 0o755 },
  ...(hasBusybox ? [{ name: 'bin/busybox', content: readFileSync(BUSYBOX), mode: 0o755 }] : []),
  ...['sh', 'cat', 'id', 'sleep', 'env', 'ls', 'grep', 'ps', 'hostname', 'touch'].map((name) => ({
    name: `bin/${name}`,
    type: '2',
    link: 'busybox',
  })),
  { name: 'etc/passwd', content: 'root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n' },
  { name: 'etc/group', content: 'root:x:0:\napp:x:1001:\nextra:x:44:app\n' },
  { name: 'app/', type: '5', uid: 1000, gid: 1001, mode: 0o755 },
  { name: 'app/gone', content: 'old' },
]
const layers = [
  craftLayer(craftTar(...base)),
  craftLayer(craftTar({ name: 'app/new', content: 'new' }, { name: 'app/.wh.gone' })),
]

/** Revision 1 of an app whose image is busybox, two users and two layers, the upper of which deletes a file. */
export function aBusyboxRelease(
  store: CraftedStore,
  config: NonNullable<ImageConfig['config']>,
  change: Partial<App> = {},
): Release {
  const resources = {
    cpuRequestMilli: null,
    cpuLimitMilli: 500,
    memoryRequestBytes: null,
    memoryLimitBytes: 64 * 2 ** 20,
  }
  const role = {
    name: 'web',
    run: null,
    port: 8080,
    replicas: 1,
    env: { ROLE: 'r' },
    resources,
    readiness: 'image',
    startupSeconds: 60,
    terminationGracePeriodSeconds: 30,
  } as const
  const settings = { ...scope, env: { APP: 'a' }, secrets: [], roles: [role], routes: [], ...change } as unknown as App
  return {
    ...scope,
    revision: 1,
    artifact: store.putImage(layers, { Env: ['PATH=/bin', 'IMAGE=i'], ...config }),
    repository: 'shop',
    source: { url: null, commit: null, ref: null, subject: null, file: 'none' },
    settings,
    secrets: {},
    variables: [],
    createdAtMs: 0,
    createdBy: 'test',
  }
}

/** Starts a launch as the keeper does. */
export function start(launch: Launch, secrets: Readonly<Record<string, string>> = {}) {
  return inCgroups(launch.cgroups, () =>
    spawn(launch.program, launch.args, {
      cwd: launch.cwd,
      env: { ...launch.env, ...secrets },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
}
/** The same, to its end. */
export async function output(launch: Launch, secrets: Readonly<Record<string, string>> = {}) {
  const child = start(launch, secrets)
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { stdout, stderr, code: child.exitCode }
}
