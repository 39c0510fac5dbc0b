import { DeployError, type FailureCode } from '../../model/failure.ts'

/** The codes of the distribution specification ("Error Codes") with the status that goes with each. */
const STATUS = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  UNKNOWN: 500,
} as const

export type RegistryErrorCode = keyof typeof STATUS

/** What a request to `/v2/` is answered when it fails. */
export class RegistryError extends Error {
  readonly code: RegistryErrorCode
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(
    code: RegistryErrorCode,
    message: string,
    more: { status?: number; headers?: Readonly<Record<string, string>>; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause })
    this.name = 'RegistryError'
    this.code = code
    this.status = more.status ?? STATUS[code]
    this.headers = more.headers ?? {}
  }

  get body(): object {
    return { errors: [{ code: this.code, message: this.message, detail: null }] }
  }
}

const CODES: Partial<Record<FailureCode, readonly [code: RegistryErrorCode, status?: number]>> = {
  DIGEST_MISMATCH: ['DIGEST_INVALID'],
  IMAGE_INVALID: ['MANIFEST_INVALID'],
  IMAGE_NOT_FOUND: ['BLOB_UNKNOWN'],
  REFERENCE_INVALID: ['NAME_INVALID'],
  // It has been set aside: what was damaged is not there any more, and a client that pushes sends it again.
  STORE_CORRUPT: ['BLOB_UNKNOWN'],
  DISK_FULL: ['DENIED', 507],
  // Of the registry that this one is a cache of.
  REGISTRY_UNREACHABLE: ['UNKNOWN', 502],
  REGISTRY_REFUSED: ['UNKNOWN', 502],
  REGISTRY_AUTH_FAILED: ['DENIED'],
  REGISTRY_RATE_LIMITED: ['TOOMANYREQUESTS'],
}

/** The registry's answer to a failure of the store; null: no failure of a known kind, a bug. */
export function registryError(failed: unknown): RegistryError | null {
  if (failed instanceof RegistryError) return failed
  const known = failed instanceof DeployError ? CODES[failed.code] : undefined
  if (known === undefined || !(failed instanceof DeployError)) return null
  const [code, status] = known
  return new RegistryError(code, failed.message, { ...(status === undefined ? {} : { status }), cause: failed })
}

/** Runs `work`; failures with the code `from` are answered with the code `to` instead of the usual one. */
export async function answering<T>(from: FailureCode, to: RegistryErrorCode, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (failed) {
    if (failed instanceof DeployError && failed.code === from) {
      throw new RegistryError(to, failed.message, { cause: failed })
    }
    throw failed
  }
}
