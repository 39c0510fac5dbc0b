import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { ImageConfig, ImageManifest } from '../../src/model/descriptor.ts'
import { call } from '../peers/call.ts'
import { flatten } from './flatten.ts'

/** An image as `path or setting → text`: what two builders must agree on. */
export type ImageFacts = Readonly<Record<string, string>>

/** Reads an image of an OCI layout by umoci, which is neither builder's. `times`: paths whose time counts. `root`: made here. */
export async function readFacts(layout: string, root: string, times: readonly string[] = []): Promise<ImageFacts> {
  const json = async <Value>(path: string) => JSON.parse(await readFile(join(layout, path), 'utf8')) as Value
  const blob = (digest: string) => `blobs/${digest.replace(':', '/')}`
  const index = await json<{ manifests: readonly { digest: string }[] }>('index.json')
  // BuildKit writes null for no layers.
  const { config: configBlob, layers } = await json<
    Omit<ImageManifest, 'layers'> & { layers: ImageManifest['layers'] | null }
  >(blob(index.manifests[0]?.digest ?? ''))
  const config = await json<ImageConfig>(blob(configBlob.digest))
  await call('umoci', ['raw', 'unpack', '--image', `${layout}:1`, root])
  const empty = await Promise.all(
    (layers ?? []).map(async ({ digest }) => isEmptyTar(gunzipSync(await readFile(join(layout, blob(digest)))))),
  )
  return { ...(await fileFacts(root, times)), ...settingFacts(config), history: history(config, empty) }
}

async function fileFacts(root: string, times: readonly string[]): Promise<ImageFacts> {
  const files = [...(await flatten(root))].filter(([path]) => path !== '/')
  return Object.fromEntries(
    files.map(([path, { text, mtime }]) => [path, times.includes(path) ? `${text} at ${mtime}` : text]),
  )
}

/** Without what says nothing: empty members, and ArgsEscaped, which only Windows reads. */
function settingFacts({ config = {}, author, os, architecture, variant }: ImageConfig): ImageFacts {
  const all = { author, os, architecture, variant, ...config, WorkingDir: config.WorkingDir || '/' }
  const none = new Set(['null', '""', '[]', '{}'])
  const said = Object.entries(all).filter(
    ([name, value]) => value !== undefined && name !== 'ArgsEscaped' && !none.has(JSON.stringify(value)),
  )
  return Object.fromEntries(said.map(([name, value]) => [`config ${name}`, JSON.stringify(sorted(value))]))
}

/** Members by name: their order means nothing. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The instructions that the history tells, with `+` for those that changed files. A layer without an entry is none. */
function history({ history: lines }: ImageConfig, empty: readonly boolean[]): string {
  let layer = 0
  const words = (lines ?? []).map(({ created_by: by = '', empty_layer: none = false }) => {
    const changed = !none && empty[layer++] === false
    return `${/^\S+/.exec(by)?.[0].toUpperCase() ?? ''}${changed ? '+' : ''}`
  })
  return words.join(' ')
}

const isEmptyTar = (bytes: Uint8Array): boolean => bytes.subarray(0, 512).every((byte) => byte === 0)

/** What differs, one line a fact; what is excepted must differ, else its reason is stale. */
export function differences(
  ours: ImageFacts,
  theirs: ImageFacts,
  except: Readonly<Record<string, string>> = {},
): readonly string[] {
  const names = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])].sort()
  return names.flatMap((name) => {
    const same = ours[name] === theirs[name]
    if (except[name] !== undefined) return same ? [`${name} does not differ any more: "${except[name]}"`] : []
    return same ? [] : [`${name}: naru ${ours[name] ?? 'nothing'} | buildkit ${theirs[name] ?? 'nothing'}`]
  })
}
