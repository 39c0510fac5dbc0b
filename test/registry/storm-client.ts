import { createHash } from 'node:crypto'
import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import { MEDIA_TYPES } from '../../src/model/descriptor.ts'

/** What one push leaves that a tag leads to. */
export interface Pushed {
  readonly repository: string
  readonly tags: readonly string[]
  readonly manifests: readonly string[]
  readonly blobs: readonly string[]
  readonly referrers: readonly (readonly [subject: string, digest: string])[]
  /** The manifest that the tag names. */
  readonly top: { readonly mediaType: string; readonly digest: string; readonly size: number }
}

interface Ask {
  readonly method: string
  readonly path: string
  readonly type?: string
  readonly body?: Uint8Array
}

/** On a busy machine a push may take longer than the grace, several times. */
const TRIES = 30

/** A client that pushes as docker does: HEAD, then mount, then upload; and does it again when the registry has less than it said. */
export class StormClient {
  /** Pushes that had to be done again. */
  repeated = 0
  readonly #port: number
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 2 })

  constructor(port: number) {
    this.#port = port
  }

  async pushImage(
    repository: string,
    config: Buffer,
    layers: readonly Buffer[],
    tag: string | null,
    subject?: Pushed['top'],
  ): Promise<Pushed> {
    const named = (bytes: Buffer, mediaType: string) => ({ mediaType, digest: digestOf(bytes), size: bytes.length })
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.imageManifest,
        config: named(config, MEDIA_TYPES.imageConfig),
        layers: layers.map((layer) => named(layer, MEDIA_TYPES.layer)),
        ...(subject === undefined ? {} : { subject }),
      }),
    )
    const blobs = [config, ...layers]
    const top = await this.#put(repository, manifest, MEDIA_TYPES.imageManifest, tag, async () => {
      for (const blob of blobs) await this.#pushBlob(repository, blob)
    })
    return {
      repository,
      tags: tag === null ? [] : [tag],
      manifests: [top.digest],
      blobs: blobs.map(digestOf),
      referrers: subject === undefined ? [] : [[subject.digest, top.digest]],
      top,
    }
  }

  /** The image with a signature, which has no tag and refers to it. */
  async pushSignature(image: Pushed, config: Buffer): Promise<Pushed> {
    const signature = await this.pushImage(image.repository, config, [], null, image.top)
    return together([image, signature], image.top, image.tags)
  }

  /** `push` pushes the images of the index: again where a collection was quicker than we are. */
  async pushIndex(push: () => Promise<readonly Pushed[]>, tag: string): Promise<Pushed> {
    const children = await push()
    const [{ repository } = { repository: '' }] = children
    const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.imageIndex, manifests: children.map(({ top }) => top) }
    const bytes = Buffer.from(JSON.stringify(index))
    const top = await this.#put(repository, bytes, MEDIA_TYPES.imageIndex, tag, async () => void (await push()))
    return together([...children, { ...(children[0] as Pushed), manifests: [top.digest], blobs: [] }], top, [tag])
  }

  async remove({ repository, tags, top }: Pushed, byDigest: boolean): Promise<void> {
    const path = `/v2/${repository}/manifests/${byDigest ? top.digest : tags[0]}`
    await this.#expect({ method: 'DELETE', path }, 202)
  }

  /** What of a pushed image cannot be pulled, byte for byte. */
  async missing({ repository, tags, manifests, blobs, referrers, top }: Pushed): Promise<readonly string[]> {
    const lost: string[] = []
    const check = async (path: string, digest: string) => {
      const { status, body } = await this.#ask({ method: 'GET', path })
      if (status !== 200 || digestOf(body) !== digest) lost.push(`${path}: ${status}`)
    }
    for (const tag of tags) await check(`/v2/${repository}/manifests/${tag}`, top.digest)
    for (const digest of manifests) await check(`/v2/${repository}/manifests/${digest}`, digest)
    for (const digest of blobs) await check(`/v2/${repository}/blobs/${digest}`, digest)
    for (const [subject, digest] of referrers) {
      const { body } = await this.#ask({ method: 'GET', path: `/v2/${repository}/referrers/${subject}` })
      if (!body.includes(digest)) lost.push(`${repository}: ${digest} is no referrer of ${subject}`)
    }
    return lost
  }

  close(): void {
    this.#agent.destroy()
  }

  /** Puts a manifest after what it names; once more when the registry warns that something of that is gone. */
  async #put(repository: string, bytes: Buffer, type: string, tag: string | null, before: () => Promise<void>) {
    const digest = digestOf(bytes)
    for (let tries = 1; ; tries++) {
      await before()
      const path = `/v2/${repository}/manifests/${tag ?? digest}`
      const { status, headers } = await this.#ask({ method: 'PUT', path, type, body: bytes })
      if (status === 201 && headers.warning === undefined) return { mediaType: type, digest, size: bytes.length }
      if (tries === TRIES || (status !== 404 && status !== 201)) throw new Error(`PUT ${path}: ${status}`)
      this.repeated++
    }
  }

  async #pushBlob(repository: string, bytes: Buffer): Promise<void> {
    const digest = digestOf(bytes)
    if ((await this.#ask({ method: 'HEAD', path: `/v2/${repository}/blobs/${digest}` })).status === 200) return
    const begun = await this.#ask({ method: 'POST', path: `/v2/${repository}/blobs/uploads/?mount=${digest}` })
    if (begun.status === 201) return
    if (begun.status !== 202) throw new Error(`POST for ${digest}: ${begun.status}`)
    await this.#expect({ method: 'PUT', path: `${begun.headers.location}?digest=${digest}`, body: bytes }, 201)
  }

  async #expect(ask: Ask, status: number): Promise<void> {
    const answer = await this.#ask(ask)
    if (answer.status !== status) throw new Error(`${ask.method} ${ask.path}: ${answer.status} ${answer.body}`)
  }

  async #ask({ method, path, type, body }: Ask) {
    const headers = type === undefined ? {} : { 'Content-Type': type }
    const sent = http.request({ port: this.#port, host: '127.0.0.1', agent: this.#agent, method, path, headers })
    sent.end(body)
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    const pieces: Buffer[] = []
    for await (const piece of answer) pieces.push(piece as Buffer)
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(pieces) }
  }
}

const together = (parts: readonly Pushed[], top: Pushed['top'], tags: readonly string[]): Pushed => ({
  repository: parts[0]?.repository ?? '',
  tags,
  manifests: parts.flatMap(({ manifests }) => manifests),
  blobs: parts.flatMap(({ blobs }) => blobs),
  referrers: parts.flatMap(({ referrers }) => referrers),
  top,
})

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
