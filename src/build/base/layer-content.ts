import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, mkdtempSync, openSync, readSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { diskFull } from '../../model/disk-full.ts'
import { CommitContent } from '../context/commit-contents.ts'
import type { Content } from '../image/file-entry.ts'
import { layerPath } from './layer-listing.ts'
import { type LayerSource, readLayer } from './read-layer.ts'

const PART = 2 ** 20

/** A file inside a layer of a base image. Its bytes are there once the layer was read for it (SpooledContents). */
export class LayerContent implements Content {
  readonly source: LayerSource
  readonly path: string
  readonly size: number
  #spooled: string | null = null

  constructor(source: LayerSource, path: string, size: number) {
    this.source = source
    this.path = path
    this.size = size
  }

  /** The layer's plain digest and the path in it name the bytes, without reading them. */
  id(): Promise<string> {
    return Promise.resolve(`sha256:${createHash('sha256').update(`${this.source.diffId}\n${this.path}`).digest('hex')}`)
  }

  get isSpooled(): boolean {
    return this.#spooled !== null
  }

  spooledAt(path: string): void {
    this.#spooled = path
  }

  *chunks(): Iterable<Uint8Array> {
    if (this.#spooled === null) throw new Error(`/${this.path} was not read from its layer`)
    const fd = openSync(this.#spooled, 'r')
    try {
      for (let left = this.size; left > 0; ) {
        const part = new Uint8Array(Math.min(PART, left))
        const count = readSync(fd, part, 0, part.length, null)
        if (count === 0) throw new Error(`/${this.path} was cut while it was read`)
        left -= count
        yield part.subarray(0, count)
      }
    } finally {
      closeSync(fd)
    }
  }
}

/** Files of base layers and of commits, read out when they are needed, many at a time: a layer is read once for all of its files. */
export class SpooledContents {
  readonly #temporary: string
  #folder: string | null = null
  #count = 0
  /** One after the other: two layers may want the same file. */
  #turn: Promise<void> = Promise.resolve()

  constructor(temporary: string) {
    this.#temporary = temporary
  }

  /** Makes the bytes of these contents readable. Those of other kinds, and those read before, cost nothing. */
  prepare(contents: Iterable<Content>, signal: AbortSignal): Promise<void> {
    const turn = this.#turn.then(() => this.#prepare(contents, signal))
    this.#turn = turn.catch(() => {})
    return turn
  }

  async #prepare(contents: Iterable<Content>, signal: AbortSignal): Promise<void> {
    const byLayer = new Map<string, LayerContent[]>()
    const ofCommits: CommitContent[] = []
    for (const content of contents) {
      if (content instanceof CommitContent) ofCommits.push(content)
      if (!(content instanceof LayerContent) || content.isSpooled) continue
      byLayer.set(content.source.diffId, [...(byLayer.get(content.source.diffId) ?? []), content])
    }
    for (const [all, wanted] of Map.groupBy(ofCommits, ({ all: owner }) => owner)) await all.bring(wanted)
    for (const wanted of byLayer.values()) await this.#readOut(wanted, signal)
  }

  /** A folder of this build's own, which ends with it. Most builds need none. */
  ownFolder(): string {
    if (this.#folder === null) {
      mkdirSync(this.#temporary, { recursive: true })
      this.#folder = mkdtempSync(join(this.#temporary, 'base-'))
    }
    return this.#folder
  }

  /** Removes what was read out. */
  async discard(): Promise<void> {
    if (this.#folder !== null) await rm(this.#folder, { recursive: true, force: true })
    this.#folder = null
  }

  async #readOut(wanted: readonly LayerContent[], signal: AbortSignal): Promise<void> {
    const source = wanted[0]?.source
    if (source === undefined) return
    const folder = this.ownFolder()
    const byPath = Map.groupBy(wanted, ({ path }) => path)
    await readLayer(
      source,
      async (header, body) => {
        const contents = byPath.get(layerPath(header.name, source))
        if (contents === undefined || (header.type ?? 'file') !== 'file') return
        const path = join(folder, String(this.#count++))
        await writeBody(path, body)
        for (const content of contents) content.spooledAt(path)
      },
      signal,
    )
  }
}

async function writeBody(path: string, body: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    for await (const part of body) await file.writeFile(part)
  } catch (failed) {
    throw diskFull(failed, `reading a base image to ${path}`)
  } finally {
    await file.close()
  }
}
