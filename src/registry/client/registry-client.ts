import type { IncomingMessage } from 'node:http'
import { addAbortSignal, type Readable } from 'node:stream'
import type { Clock } from '../../lib/clock.ts'
import { type Descriptor, isDigest } from '../../model/descriptor.ts'
import { DeployError } from '../../model/failure.ts'
import { isRepository, isTag } from '../../model/reference.ts'
import type { ContentStore } from '../content-store.ts'
import { algorithmOf, digestOf } from '../digest.ts'
import { mismatch } from '../failures.ts'
import {
  ACCEPTED_MANIFESTS,
  invalid,
  isSchemaOne,
  MAX_MANIFEST_BYTES,
  mediaTypeOf,
  parseManifest,
  schemaOne,
} from '../parse-manifest.ts'
import type { AgentSettings } from './calls/agents.ts'
import { Authorization } from './calls/authorization.ts'
import { Connection } from './calls/connection.ts'
import type { CredentialsOf } from './logins/credentials.ts'
import { downloadBlob } from './download-blob.ts'
import { refused } from './failures.ts'
import { RegistryCalls } from './calls/registry-calls.ts'
import { BlobUpload, pushScopes } from './upload-blob.ts'

/** Which registry, and how it is reached. */
export interface RegistryClientOptions {
  /** Host and port as in a reference: `registry.example.com:5000`, `docker.io`. */
  readonly host: string
  readonly clock: Clock
  /** Plain HTTP in place of TLS. Default: for localhost, 127.0.0.0/8 and [::1] only. */
  readonly plainHttp?: boolean
  /** Logins, asked for only when the registry wants one. Default: none. */
  readonly credentials?: CredentialsOf
  /** Whom to trust, who we are, and the proxies. Default: the authorities of Node, nobody, none. */
  readonly agents?: AgentSettings
  /** A host outside the registry's own site whose token service may see the login. Default: none. */
  readonly tokenService?: string
  /** A connection on which nothing moves for so long is given up. Default one minute. */
  readonly stallMs?: number
  /** How often a call is tried that fails for what may pass. Default 6: about 6 seconds. */
  readonly tries?: number
  /** From 0 to 1, for the jitter of waits. Default Math.random. */
  readonly random?: () => number
}

/** Any registry that speaks the OCI distribution specification, as a content store. `close` ends its kept connections. */
export function registryClient(options: RegistryClientOptions): ContentStore & { close(): void } {
  const { connection, calls } = openCalls(options)
  return new RegistryClient(connection, calls)
}

/** Tries a login: a registry that asks who calls must let it in. Answers whether it asked. Throws REGISTRY_AUTH_FAILED. */
export async function tryLogin(options: RegistryClientOptions, signal: AbortSignal): Promise<boolean> {
  const { connection, calls, authorization } = openCalls(options)
  try {
    const call = { method: 'GET', at: '/v2/', scopes: [], expect: [200], what: 'come in' } as const
    await calls.callForHead(call, signal)
    const { isAsked, wasShown } = authorization.state
    if (isAsked && !wasShown) throw authorization.notShown()
    return isAsked
  } finally {
    connection.close()
  }
}

function openCalls(options: RegistryClientOptions) {
  const host = registryHost(options.host)
  const plain = options.plainHttp ?? isOwnMachine(host)
  const origin = new URL(`${plain ? 'http' : 'https'}://${host}`)
  const { clock, tries = 6, random = Math.random, stallMs = 60_000, credentials = async () => null } = options
  const connection = new Connection({ origin, stallMs, agents: options.agents ?? PLAIN_AGENTS })
  const authorization = new Authorization(connection, credentials, clock, options.tokenService ?? null)
  return { connection, authorization, calls: new RegistryCalls(connection, authorization, clock, { tries, random }) }
}

/** The host that answers for a registry: Docker Hub goes by several names. */
export const registryHost = (host: string): string =>
  host === 'docker.io' || host === 'index.docker.io' ? 'registry-1.docker.io' : host

const PLAIN_AGENTS: AgentSettings = { authorities: [], client: null, proxyOf: () => null }

const isOwnMachine = (host: string) => /^(?:localhost|127\.[0-9]+\.[0-9]+\.[0-9]+|\[::1\])(?::[0-9]+)?$/.test(host)

/** More than any repository has (A14). */
const MAX_TAGS = 500_000

class RegistryClient implements ContentStore {
  readonly #connection: Connection
  readonly #calls: RegistryCalls

  constructor(connection: Connection, calls: RegistryCalls) {
    this.#connection = connection
    this.#calls = calls
  }

  async statBlob(repository: string, digest: string, signal: AbortSignal): Promise<number | null> {
    const name = this.#name(repository)
    const call = {
      method: 'HEAD',
      at: `/v2/${name}/blobs/${checked(digest, isDigest)}`,
      scopes: [`repository:${name}:pull`],
      expect: [200, 404],
      what: `look for ${digest} in ${name}`,
    } as const
    const answer = await this.#calls.callForHead(call, signal)
    if (answer.statusCode === 404) return null
    const size = Number(answer.headers['content-length'] ?? Number.NaN)
    if (!Number.isSafeInteger(size)) throw refused(this.#calls.host, `does not say how long ${digest} is`)
    return size
  }

  async readBlob(repository: string, digest: string, signal: AbortSignal): Promise<Readable> {
    const name = this.#name(repository)
    const stream = await downloadBlob(this.#calls, name, checked(digest, isDigest), signal)
    if (stream !== null) return addAbortSignal(signal, stream)
    throw new DeployError('IMAGE_NOT_FOUND', `${this.#calls.host}/${name} has no blob ${digest}`, {
      hint: 'Build or push the image again.',
      detail: { host: this.#calls.host, repository: name, digest },
    })
  }

  async writeBlob(
    repository: string,
    expected: { readonly digest: string; readonly size: number },
    open: () => Readable,
    signal: AbortSignal,
  ): Promise<number> {
    if ((await this.statBlob(repository, expected.digest, signal)) !== null) return 0
    const upload = new BlobUpload(this.#calls, this.#name(repository), expected, open)
    await upload.send(signal)
    return expected.size
  }

  async mountBlob(repository: string, digest: string, from: string, signal: AbortSignal): Promise<boolean> {
    const [name, source] = [this.#name(repository), this.#name(from)]
    const query = new URLSearchParams({ mount: checked(digest, isDigest), from: source })
    const at = `/v2/${name}/blobs/uploads/?${query}`
    const what = `mount ${digest} of ${source} in ${name}`
    const scopes = pushScopes(name, source)
    const headers = { 'Content-Length': 0 }
    const call = { method: 'POST', at, scopes, headers, expect: [201, 202], what } as const
    // Who may not read there may still write here: the blob is sent then.
    const answer = await this.#calls.callForHead(call, signal).catch(unlessForbidden)
    if (answer === null) return false
    if (answer.statusCode === 201) return true
    // It began an upload instead. Nobody will use it: a registry that does not let us take it back forgets it by itself.
    const place = this.#calls.locationOf(answer, this.#calls.url(at))
    await this.#calls
      .onceForHead({ method: 'DELETE', at: place, scopes, expect: [204], what }, signal)
      .catch(() => signal.throwIfAborted())
    return false
  }

  async readManifest(
    repository: string,
    reference: string,
    signal: AbortSignal,
  ): Promise<{ readonly descriptor: Descriptor; readonly bytes: Uint8Array } | null> {
    const name = this.#name(repository)
    const at = `/v2/${name}/manifests/${checked(reference, isReference)}`
    const what = `read the manifest ${reference} of ${name}`
    const scopes = [`repository:${name}:pull`]
    const headers = { Accept: ACCEPTED_MANIFESTS }
    const call = { method: 'GET', at, scopes, headers, expect: [200, 404], what } as const
    const { answer, bytes } = await this.#calls.callForBody(call, MAX_MANIFEST_BYTES, signal)
    return answer.statusCode === 404 ? null : describe(answer, reference, bytes)
  }

  async resolveTag(repository: string, tag: string, signal: AbortSignal): Promise<string | null> {
    const name = this.#name(repository)
    const at = `/v2/${name}/manifests/${checked(tag, isTag)}`
    const what = `look for ${tag} in ${name}`
    const headers = { Accept: ACCEPTED_MANIFESTS }
    const call = { method: 'HEAD', at, scopes: [`repository:${name}:pull`], headers, expect: [200, 404], what } as const
    // HEAD is not counted as a pull (Docker Hub). Who does not take it, or does not name the digest, is asked for the manifest.
    const answer = await this.#calls.callForHead(call, signal).catch(unlessRefused)
    if (answer?.statusCode === 404) return null
    const digest = answer?.headers['docker-content-digest']
    if (typeof digest === 'string' && isDigest(digest)) return digest
    return (await this.readManifest(repository, tag, signal))?.descriptor.digest ?? null
  }

  async writeManifest(
    repository: string,
    manifest: { readonly mediaType: string; readonly bytes: Uint8Array },
    tags: readonly string[],
    signal: AbortSignal,
  ): Promise<Descriptor> {
    const name = this.#name(repository)
    const { mediaType, bytes } = manifest
    parseManifest(mediaType, bytes)
    const digest = digestOf(bytes)
    for (const reference of tags.length === 0 ? [digest] : tags) {
      await this.#calls.callForHead(
        {
          method: 'PUT',
          at: `/v2/${name}/manifests/${checked(reference, isReference)}`,
          scopes: pushScopes(name),
          headers: { 'Content-Type': mediaType, 'Content-Length': bytes.length },
          body: () => bytes,
          expect: [200, 201],
          what: `store the manifest ${reference} in ${name}`,
        },
        signal,
      )
    }
    return { mediaType, digest, size: bytes.length }
  }

  async tags(repository: string, signal: AbortSignal): Promise<readonly string[]> {
    const name = this.#name(repository)
    const found = new Set<string>()
    let at: URL | null = this.#calls.url(`/v2/${name}/tags/list?n=1000`)
    for (let pages = 0; at !== null && pages < 1000; pages++) {
      const call = { method: 'GET', at, scopes: [`repository:${name}:pull`], expect: [200, 404] } as const
      const named = { ...call, what: `list the tags of ${name}` }
      const { answer, bytes } = await this.#calls.callForBody(named, MAX_MANIFEST_BYTES, signal)
      if (answer.statusCode === 404) break
      for (const tag of tagsIn(this.#calls.host, bytes)) found.add(tag)
      if (found.size > MAX_TAGS) throw refused(this.#calls.host, `lists more than ${MAX_TAGS} tags of ${name}`)
      at = this.#nextPage(answer, at)
    }
    return [...found].sort()
  }

  async deleteManifest(repository: string, reference: string, signal: AbortSignal): Promise<boolean> {
    const name = this.#name(repository)
    const at = `/v2/${name}/manifests/${checked(reference, isReference)}`
    const scopes = [`repository:${name}:pull,delete`]
    const what = `delete ${reference} of ${name}`
    const answer = await this.#calls.callForHead(
      { method: 'DELETE', at, scopes, expect: [202, 200, 404], what },
      signal,
    )
    return answer.statusCode !== 404
  }

  close(): void {
    this.#connection.close()
  }

  /** The repository's name at this registry: Docker Hub keeps its own images under `library/`. */
  #name(repository: string): string {
    const name = checked(repository, isRepository)
    return this.#calls.host === 'registry-1.docker.io' && !name.includes('/') ? `library/${name}` : name
  }

  /** The next page of a list (RFC 8288), at this registry only. */
  #nextPage(answer: IncomingMessage, at: URL): URL | null {
    const link = /<([^>]+)>\s*;\s*rel="?next"?/.exec([answer.headers.link ?? ''].flat().join(','))?.[1]
    if (link === undefined || !URL.canParse(link, at.href)) return null
    const url = new URL(link, at)
    return url.host === at.host ? new URL(`${url.pathname}${url.search}`, at) : null
  }
}

/** What a manifest answer holds; its digest must be the one that was asked for, or that the registry names. */
function describe(answer: IncomingMessage, reference: string, bytes: Uint8Array) {
  if (bytes.length > MAX_MANIFEST_BYTES)
    throw invalid(`the manifest ${reference} has more than ${MAX_MANIFEST_BYTES} bytes`)
  const given = answer.headers['content-type']?.split(';')[0]?.trim() ?? ''
  // Its digest leaves the signatures out: told before it is compared.
  if (isSchemaOne(given)) throw schemaOne()
  const named = reference.includes(':') ? reference : answer.headers['docker-content-digest']
  const expected = typeof named === 'string' && isDigest(named) ? named : digestOf(bytes)
  const got = digestOf(bytes, algorithmOf(expected))
  if (got !== expected) throw mismatch(expected, `${got} of ${bytes.length} bytes`)
  const mediaType = ACCEPTED_MANIFESTS.split(', ').includes(given) ? given : mediaTypeOf(bytes)
  return { descriptor: { mediaType, digest: expected, size: bytes.length }, bytes }
}

function tagsIn(host: string, body: Uint8Array): readonly string[] {
  try {
    const { tags } = JSON.parse(Buffer.from(body).toString('utf8')) as { tags?: unknown }
    return Array.isArray(tags) ? tags.filter((tag): tag is string => typeof tag === 'string' && isTag(tag)) : []
  } catch (cause) {
    throw refused(host, 'lists tags that are no JSON', cause)
  }
}

function unlessForbidden(failed: unknown): null {
  if (failed instanceof DeployError && failed.code === 'REGISTRY_AUTH_FAILED') return null
  throw failed
}

function unlessRefused(failed: unknown): null {
  if (failed instanceof DeployError && failed.code === 'REGISTRY_REFUSED') return null
  throw failed
}

const isReference = (text: string) => isTag(text) || isDigest(text)

function checked(text: string, is: (text: string) => boolean): string {
  if (is(text)) return text
  throw new DeployError('REFERENCE_INVALID', `${JSON.stringify(text.slice(0, 100))} is no name, tag or digest`, {
    hint: 'See the grammar of names, tags and digests in the OCI distribution specification.',
  })
}
