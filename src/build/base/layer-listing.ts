import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TarHeader } from 'modern-tar'
import { DeployError } from '../../model/failure.ts'
import { makeFolder, writeFileAtomic } from '../../os/atomic-file.ts'
import { pruneFolder } from '../image/prune-folder.ts'
import { type LayerSource, readLayer } from './read-layer.ts'

/** What a layer has at a path. Members are short: a base image has tens of thousands of them in the cache. */
export interface Listed {
  /** Path, no slash at either end. */
  readonly p: string
  /** f(ile), d(irectory), s(ymlink), h(ard link), o(ther). */
  readonly t: 'f' | 'd' | 's' | 'h' | 'o'
  readonly m: number
  readonly u: number
  readonly g: number
  readonly s: number
  readonly at: number
  /** Target of a link. */
  readonly l?: string
}

const FORM = 'listing-1'
/** About 100 bytes an entry: some megabytes for a Debian image. */
const MOST_LISTINGS = 128

const TYPES: Readonly<Record<string, Listed['t']>> = { file: 'f', directory: 'd', symlink: 's', link: 'h' }

/** What is in a layer, in its order; from the cache when it was read before. */
export async function listLayer(
  source: LayerSource,
  cacheFolder: string,
  signal: AbortSignal,
): Promise<readonly Listed[]> {
  const folder = join(cacheFolder, 'listings')
  const path = join(folder, `${source.diffId.replace(':', '-')}.json`)
  const cached = await readCached(path)
  if (cached !== null) return cached
  const listing: Listed[] = []
  await readLayer(
    source,
    (header) => {
      const listed = list(header, source)
      if (listed.p !== '') listing.push(listed)
      return Promise.resolve()
    },
    signal,
  )
  await makeFolder(folder)
  await writeFileAtomic(path, JSON.stringify({ form: FORM, listing }))
  await pruneFolder(folder, MOST_LISTINGS)
  return listing
}

async function readCached(path: string): Promise<readonly Listed[] | null> {
  try {
    const { form, listing } = JSON.parse(await readFile(path, 'utf8')) as { form?: string; listing?: readonly Listed[] }
    return form === FORM && Array.isArray(listing) ? listing : null
  } catch {
    return null
  }
}

function list(header: TarHeader, source: LayerSource): Listed {
  const type = TYPES[header.type ?? 'file'] ?? 'o'
  const path = layerPath(header.name, source)
  return {
    p: path,
    t: type,
    m: (header.mode ?? 0o644) & 0o7777,
    u: header.uid ?? 0,
    g: header.gid ?? 0,
    s: type === 'f' ? header.size : 0,
    at: Math.floor((header.mtime?.getTime() ?? 0) / 1000),
    ...(type === 's' ? { l: header.linkname ?? '' } : {}),
    ...(type === 'h' ? { l: layerPath(header.linkname ?? '', source) } : {}),
  }
}

/** The path of an entry without slashes at its ends. `..` in it is refused (A6). */
export function layerPath(name: string, { layer, repository }: LayerSource): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (!parts.includes('..')) return parts.join('/')
  throw new DeployError(
    'IMAGE_INVALID',
    `layer ${layer.digest} of ${repository} names ${JSON.stringify(name.slice(0, 200))}`,
    {
      hint: 'A path in a layer may not contain "..": this image was made to write outside itself. Do not use it.',
      detail: { repository, digest: layer.digest },
    },
  )
}
