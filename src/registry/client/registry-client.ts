import type { IncomingMessage } from 'node:http'
import { addAbortSignal, type Readable } from 'node:stream'
import { type Descriptor, isDigest, MEDIA_TYPES } from '../../model/descriptor.ts'
import { DeployError } from '../../model/failure.ts'
import { isRepository, isTag } from '../../model/reference.ts'
import type { BegunBlob, RemoteStore, WantedBlob } from '../content-store.ts'
import type { RegistryContents } from '../contents/registry-contents.ts'
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
import type { Connection } from './calls/connection.ts'
import { BegunUpload, cancelUpload } from './begun-upload.ts'
import { checked, isReference } from './checked.ts'
import { listRepositories, listTags } from './list-names.ts'
import { listReferrers, referrersIn } from './list-referrers.ts'
import { openCalls, type RegistryClientOptions } from './calls/open-calls.ts'
import { downloadBlob } from './download-blob.ts'
import { refused } from './failures.ts'
import type { RegistryCalls } from './calls/registry-calls.ts'
import { pushScopes } from './scopes.ts'
import { BlobUpload } from './upload-blob.ts'

/** Any registry that speaks the OCI distribution specification, as a content store. `close` ends its kept connections. */
export function registryClient(options: RegistryClientOptions): RemoteStore & RegistryContents {
  const { connection, calls } = openCalls(options)
  return new RegistryClient(connection, calls)
}

class RegistryClient implements RemoteStore, RegistryContents {
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

  async writeBlob(repository: string, wanted: WantedBlob, open: () => Readable, signal: AbortSignal): Promise<number> {
    if (wanted.unasked !== true && (await this.statBlob(repository, wanted.digest, signal)) !== null) return 0
    const upload = new BlobUpload(this.#calls, this.#name(repository), wanted, open)
    await upload.send(signal)
    return wanted.size
  }

  beginBlob(repository: string, signal: AbortSignal): BegunBlob {
    const name = this.#name(repository)
    const begun = new BegunUpload(this.#calls, name, signal)
    return {
      write: async (wanted, open, inner) => {
        if (wanted.unasked !== true && (await this.statBlob(repository, wanted.digest, inner)) !== null) return 0
        await new BlobUpload(this.#calls, name, wanted, open, begun).send(inner)
        return wanted.size
      },
      discard: () => begun.discard(),
    }
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
    // It began an upload instead, which nobody will use.
    await cancelUpload(this.#calls, this.#calls.locationOf(answer, this.#calls.url(at)), scopes, signal)
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

  tags(repository: string, signal: AbortSignal): Promise<readonly string[]> {
    return listTags(this.#calls, this.#name(repository), signal)
  }

  repositories(signal: AbortSignal): Promise<readonly string[]> {
    return listRepositories(this.#calls, signal)
  }

  async referrers(repository: string, digest: string, signal: AbortSignal): Promise<readonly Descriptor[]> {
    const name = this.#name(repository)
    const listed = await listReferrers(this.#calls, name, checked(digest, isDigest), signal)
    if (listed !== null) return listed
    const tagged = await this.readManifest(repository, digest.replace(':', '-'), signal)
    return tagged?.descriptor.mediaType === MEDIA_TYPES.imageIndex ? referrersIn(tagged.bytes) : []
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

function unlessForbidden(failed: unknown): null {
  if (failed instanceof DeployError && failed.code === 'REGISTRY_AUTH_FAILED') return null
  throw failed
}

function unlessRefused(failed: unknown): null {
  if (failed instanceof DeployError && failed.code === 'REGISTRY_REFUSED') return null
  throw failed
}
