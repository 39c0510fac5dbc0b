import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { diskFull } from '../../model/disk-full.ts'
import type { SourceTree } from '../../source/source.ts'
import { bytesContent } from '../image/content.ts'
import type { Content } from '../image/file-entry.ts'
import { ContentPack, packedContent } from '../run/kept/packed-contents.ts'

/** So much of a commit is held in memory for one build; what is more goes to a file. */
const MOST_IN_MEMORY = 8 * 2 ** 20

/** A file of a commit. It has a name from the start; its bytes and their size are here once they were brought. */
export class CommitContent implements Content {
  readonly name: string
  readonly blob: string
  readonly all: CommitContents
  #brought: Content | null = null

  constructor(all: CommitContents, blob: string) {
    this.all = all
    this.blob = blob
    this.name = `git ${blob}`
  }

  get size(): number {
    return this.#here.size
  }

  get isHere(): boolean {
    return this.#brought !== null
  }

  async id(): Promise<string> {
    await this.all.bring([this])
    return this.#here.id()
  }

  chunks(): Iterable<Uint8Array> {
    return this.#here.chunks()
  }

  broughtAs(content: Content): void {
    this.#brought = content
  }

  get #here(): Content {
    if (this.#brought === null) throw new Error(`${this.name} was not read from its commit`)
    return this.#brought
  }
}

/** The files of a commit, each read at most once and only when somebody asks. */
export class CommitContents {
  readonly #tree: Pick<SourceTree, 'read'>
  readonly #folder: () => string
  readonly #byBlob = new Map<string, CommitContent>()
  #held = 0
  #packs = 0
  #turn: Promise<void> = Promise.resolve()

  /** `folder`: for what is too much for memory; whoever gave it removes it. */
  constructor(tree: Pick<SourceTree, 'read'>, folder: () => string) {
    this.#tree = tree
    this.#folder = folder
  }

  content(blob: string): CommitContent {
    const known = this.#byBlob.get(blob)
    if (known !== undefined) return known
    const content = new CommitContent(this, blob)
    this.#byBlob.set(blob, content)
    return content
  }

  /** Makes the bytes of these contents readable; those that are here cost nothing. Throws SOURCE_*, DISK_FULL. */
  bring(contents: Iterable<CommitContent>): Promise<void> {
    const turn = this.#turn.then(() => this.#bring([...new Set(contents)].filter(({ isHere }) => !isHere)))
    this.#turn = turn.catch(() => {})
    return turn
  }

  async #bring(contents: readonly CommitContent[]): Promise<void> {
    if (contents.length === 0) return
    let pack: OpenPack | null = null
    const openPack = () => (pack ??= this.#openPack())
    const sinks: (InMemory | InPack)[] = []
    try {
      await this.#tree.read(
        contents.map(({ blob }) => blob),
        (_, size) => {
          const isLittle = this.#held + size <= MOST_IN_MEMORY
          if (isLittle) this.#held += size
          const sink = isLittle ? new InMemory(size) : new InPack(openPack(), size)
          sinks.push(sink)
          return (part) => sink.take(part)
        },
      )
    } catch (failed) {
      throw diskFull(failed, 'reading a commit to the folder of the build cache')
    } finally {
      ;(pack as OpenPack | null)?.pack.close()
    }
    for (const [at, sink] of sinks.entries()) contents[at]?.broughtAs(sink.content())
  }

  #openPack(): OpenPack {
    const path = join(this.#folder(), `commit-${this.#packs++}`)
    return { path, pack: new ContentPack(path) }
  }
}

interface OpenPack {
  readonly path: string
  readonly pack: ContentPack
}

class InMemory {
  readonly #bytes: Buffer
  #at = 0

  constructor(size: number) {
    this.#bytes = Buffer.allocUnsafe(size)
  }

  take(part: Uint8Array): void {
    this.#bytes.set(part, this.#at)
    this.#at += part.length
  }

  content(): Content {
    return bytesContent(this.#bytes)
  }
}

class InPack {
  readonly #pack: ContentPack
  readonly #path: string
  readonly #size: number
  readonly #at: number
  readonly #hash = createHash('sha256')

  constructor({ pack, path }: OpenPack, size: number) {
    this.#pack = pack
    this.#path = path
    this.#size = size
    this.#at = pack.at
  }

  take(part: Uint8Array): void {
    this.#hash.update(part)
    this.#pack.add(part)
  }

  content(): Content {
    return packedContent(this.#path, this.#at, this.#size, `sha256:${this.#hash.digest('hex')}`)
  }
}
