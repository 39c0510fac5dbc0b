import { createHash } from 'node:crypto'
import { openSync } from 'node:fs'
import { mkdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { diskFull } from '../../model/disk-full.ts'
import { makeFolder, writeFileAtomic } from '../../os/atomic-file.ts'
import { DeployError } from '../../model/failure.ts'
import { formatPlace, type Place, syntaxError } from '../dockerfile/place.ts'
import { DiskContent } from '../image/content.ts'
import type { FileEntry } from '../image/file-entry.ts'
import { ownFolder } from '../sandbox/work-folder.ts'
import {
  download,
  DOWNLOAD_LIMITS,
  type Downloaded,
  DownloadFailed,
  type DownloadLimits,
  type Environment,
} from './download.ts'

export interface DownloadsOptions {
  /** Where files are kept between builds, and where they are made before they count. */
  readonly folder: string
  readonly work: string
  readonly env: Environment
  readonly limits?: DownloadLimits
}

export type FileAt = FileEntry & { readonly type: 'file' }

const CHECKSUM = /^(sha256):([0-9a-f]{64})$/
const META = 'download.json'
const FILE = 'file'

/**
 * Files that ADD gets by http or https. One with a checksum is asked for once; any other each time, and sent again only when
 * the server has another one. Losing what is kept costs time only.
 */
export class Downloads {
  readonly #options: DownloadsOptions

  constructor(options: DownloadsOptions) {
    this.#options = options
  }

  /** A file of mode 600 as BuildKit makes it, its time that of Last-Modified. Throws BUILD_SOURCE_INVALID, DIGEST_MISMATCH, DOCKERFILE_SYNTAX. */
  async get(address: string, checksum: string | null, place: Place, signal: AbortSignal): Promise<FileAt> {
    const url = checkedUrl(address, place)
    if (checksum !== null && !CHECKSUM.test(checksum)) {
      throw syntaxError(
        place,
        `--checksum=${checksum} is no digest`,
        'Write --checksum=sha256:… with 64 hexadecimal digits.',
      )
    }
    const folder = join(
      this.#options.folder,
      createHash('sha256')
        .update(`${url.href}\n${checksum ?? ''}`)
        .digest('hex'),
    )
    const known = await find(folder)
    if (known !== null && checksum !== null) return fileOf(folder, known)
    try {
      const got = await this.#fetch(url, folder, { known, checksum }, signal)
      return fileOf(folder, got)
    } catch (failed) {
      throw failed instanceof DownloadFailed ? notGotten(url, failed, place) : mismatchAt(failed, url, place)
    }
  }

  async #fetch(
    url: URL,
    folder: string,
    { known, checksum }: { readonly known: Downloaded | null; readonly checksum: string | null },
    signal: AbortSignal,
  ): Promise<Downloaded> {
    const { work, env, limits = DOWNLOAD_LIMITS } = this.#options
    const part = await ownFolder(work)
    try {
      const made = join(part, 'made')
      await mkdir(made)
      const got = await download({ url, path: join(made, FILE), known, limits, env }, signal)
      if (got === null && known !== null) return known
      if (got === null) throw new DownloadFailed('the server said that it did not change')
      if (checksum !== null && got.digest !== checksum) throw new Mismatch(got.digest, checksum)
      await writeFile(join(made, 'bytes'), String(got.size))
      await writeFileAtomic(join(made, META), JSON.stringify(got))
      await makeFolder(this.#options.folder, 0o700)
      await rename(folder, join(part, 'before')).catch(unlessMissing)
      await rename(made, folder).catch(unlessThere)
      return got
    } catch (failed) {
      throw diskFull(failed, `getting ${url.host}${url.pathname}`)
    } finally {
      await rm(part, { recursive: true, force: true })
    }
  }
}

class Mismatch extends Error {
  readonly found: string
  readonly wanted: string

  constructor(found: string, wanted: string) {
    super('mismatch')
    this.found = found
    this.wanted = wanted
  }
}

/** The name that a file gets in a folder: the last part of the address (BuildKit's rule). */
export function nameFromUrl(address: string): string {
  const path = URL.parse(address)?.pathname ?? ''
  const name = path.replace(/\/+$/, '').split('/').at(-1) ?? ''
  try {
    const decoded = decodeURIComponent(name)
    return decoded === '' || decoded === '.' || decoded === '..' || /[/\0]/.test(decoded) ? '__unnamed__' : decoded
  } catch {
    return '__unnamed__'
  }
}

function checkedUrl(address: string, place: Place): URL {
  const url = URL.parse(address)
  if (url === null || url.hostname === '') {
    throw syntaxError(place, `${address.slice(0, 200)} is no address`, 'Write ADD https://host/path DESTINATION.')
  }
  if (url.username !== '' || url.password !== '') {
    throw syntaxError(
      place,
      `the address of ${url.host} has a login in it, which would stay in the image's history`,
      'Get it in a RUN with --mount=type=secret, or put it into the context.',
    )
  }
  url.hash = ''
  return url
}

async function find(folder: string): Promise<Downloaded | null> {
  try {
    const known = JSON.parse(await readFile(join(folder, META), 'utf8')) as Downloaded
    if (!CHECKSUM.test(known.digest)) return null
    const now = new Date()
    await utimes(folder, now, now)
    return known
  } catch {
    // Missing, cut or damaged is all the same: it is asked for again.
    return null
  }
}

function fileOf(folder: string, { digest, size, lastModified }: Downloaded): FileAt {
  const changedMs = lastModified === null ? Number.NaN : Date.parse(lastModified)
  const path = join(folder, FILE)
  return {
    type: 'file',
    uid: 0,
    gid: 0,
    mode: 0o600,
    mtime: Number.isNaN(changedMs) ? 'content' : Math.max(Math.floor(changedMs / 1000), 0),
    content: new DiskContent(path, size, () => openSync(path, 'r'), digest),
  }
}

function notGotten(url: URL, failed: DownloadFailed, place: Place): DeployError {
  const { file, line, column } = place
  return new DeployError(
    'BUILD_SOURCE_INVALID',
    `${formatPlace(place)}: ${shown(url)} was not gotten: ${failed.message}`,
    {
      hint: 'Nothing was pushed. Is the address right, and can this machine reach it (HTTPS_PROXY, NO_PROXY)?',
      detail: { file, line, column, host: url.host },
      cause: failed,
    },
  )
}

function mismatchAt(failed: unknown, url: URL, place: Place): unknown {
  if (!(failed instanceof Mismatch)) return failed
  const { file, line, column } = place
  const message = `${formatPlace(place)}: ${shown(url)} has the digest ${failed.found}, --checksum says ${failed.wanted}`
  return new DeployError('DIGEST_MISMATCH', message, {
    hint: 'Nothing was pushed. Find out why the file is another one before the checksum is changed.',
    detail: { file, line, column, host: url.host },
  })
}

/** Without a query, which may hold a signature (A10). */
const shown = ({ protocol, host, pathname }: URL): string => `${protocol}//${host}${pathname}`.slice(0, 200)

function unlessThere(failed: NodeJS.ErrnoException): void {
  if (failed.code !== 'ENOTEMPTY' && failed.code !== 'EEXIST') throw failed
}

function unlessMissing(failed: NodeJS.ErrnoException): void {
  if (failed.code !== 'ENOENT') throw failed
}
