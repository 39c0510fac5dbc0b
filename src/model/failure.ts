interface Failure {
  /** HTTP status at the API's edge. */
  readonly status: number
  /** Exit code of the command line; where a rollout has ended, its end state rules (7 or 8). */
  readonly exit: number
  /** Whether the same call may go through later without a change by the user. */
  readonly retry: boolean
}

const refused = { status: 422, exit: 10, retry: false } as const
const file = { status: 422, exit: 3, retry: false } as const
const usage = { status: 400, exit: 2, retry: false } as const
const missing = { status: 404, exit: 5, retry: false } as const
const failed = { status: 409, exit: 7, retry: false } as const

/** Every way a deploy can fail. docs/errors.md has a section for each; a test compares the two. */
export const FAILURES = {
  // the command line and the file
  USAGE_INVALID: usage,
  NAME_INVALID: usage,
  APPFILE_NOT_FOUND: { status: 404, exit: 3, retry: false },
  APPFILE_SYNTAX: file,
  APPFILE_INVALID: file,
  APPFILE_VARIABLE_MISSING: file,
  APPFILE_TOO_LARGE: file,
  ENVIRONMENT_UNKNOWN: { status: 404, exit: 3, retry: false },
  ENVIRONMENT_REQUIRED: usage,
  KEY_NOT_SUPPORTED: file,

  // source
  SOURCE_NOT_FOUND: missing,
  SOURCE_REF_NOT_FOUND: missing,
  SOURCE_REF_INVALID: usage,
  SOURCE_URL_INVALID: file,
  SOURCE_FETCH_FAILED: { status: 502, exit: 10, retry: true },
  SOURCE_AUTH_FAILED: { status: 502, exit: 4, retry: false },
  SOURCE_PATH_INVALID: file,
  SOURCE_TOOL_MISSING: refused,
  SOURCE_UPLOAD_INVALID: refused,
  SOURCE_TOO_LARGE: { status: 413, exit: 10, retry: false },

  // build
  DOCKERFILE_NOT_FOUND: file,
  DOCKERFILE_SYNTAX: file,
  DOCKERFILE_NOT_SUPPORTED: file,
  BUILD_TARGET_NOT_FOUND: file,
  BUILD_COPY_SOURCE_MISSING: refused,
  BUILD_PATH_ESCAPES: refused,
  BUILD_SOURCE_INVALID: refused,
  BUILD_RUN_FAILED: refused,
  BUILD_TOOL_MISSING: refused,
  BUILD_TOOL_FAILED: refused,
  BUILD_BASE_NOT_FOUND: missing,
  BUILD_PROGRAM_NOT_FOUND: missing,

  // registry and images
  REFERENCE_INVALID: usage,
  IMAGE_NOT_FOUND: missing,
  IMAGE_INVALID: refused,
  DIGEST_MISMATCH: { status: 502, exit: 10, retry: false },
  REGISTRY_UNREACHABLE: { status: 502, exit: 10, retry: true },
  REGISTRY_REFUSED: { status: 502, exit: 10, retry: false },
  REGISTRY_SETTINGS_INVALID: file,
  REGISTRY_RATE_LIMITED: { status: 502, exit: 10, retry: true },
  REGISTRY_AUTH_FAILED: { status: 502, exit: 4, retry: false },
  ACCOUNT_EXISTS: { status: 409, exit: 10, retry: false },
  ACCOUNT_NOT_FOUND: missing,
  STORE_CORRUPT: { status: 500, exit: 10, retry: false },
  DISK_FULL: { status: 507, exit: 10, retry: true },

  // memory and secrets
  LOG_NOT_FOUND: missing,
  RELEASE_NOT_FOUND: missing,
  ROLLOUT_NOT_FOUND: missing,
  APP_NOT_FOUND: missing,
  APP_STOPPED: { status: 409, exit: 10, retry: false },
  SECRET_NOT_FOUND: missing,
  SECRETS_MISSING: { status: 422, exit: 10, retry: false },
  SECRET_KEY_UNUSABLE: { status: 500, exit: 4, retry: false },
  LEASE_HELD: { status: 409, exit: 6, retry: true },
  LEASE_LOST: { status: 409, exit: 6, retry: true },
  MEMORY_NEWER: { status: 500, exit: 10, retry: false },
  MEMORY_UNUSABLE: { status: 500, exit: 10, retry: true },

  // engines and routers
  ENGINE_UNREACHABLE: { status: 502, exit: 10, retry: true },
  ENGINE_PROTOCOL: { status: 502, exit: 10, retry: false },
  ENGINE_NOT_SUPPORTED: refused,
  FENCED: { status: 409, exit: 6, retry: false },
  PORT_TAKEN: { status: 409, exit: 10, retry: false },
  ROUTER_FAILED: { status: 502, exit: 10, retry: true },
  ISOLATION_UNAVAILABLE: refused,

  // first causes of a rollout's failure
  REPLICA_PROGRAM_NOT_FOUND: failed,
  REPLICA_WRONG_ARCHITECTURE: failed,
  REPLICA_CRASHED: failed,
  REPLICA_OUT_OF_MEMORY: failed,
  REPLICA_WRONG_PORT: failed,
  REPLICA_NOT_LISTENING: failed,
  REPLICA_PROBE_FAILED: failed,
  REPLICA_NEVER_READY: failed,
  REPLICA_BECAME_UNREADY: failed,
  REPLICA_START_FAILED: failed,
  MIGRATE_FAILED: failed,
  MIGRATE_UNKNOWN: failed,
  ROLLOUT_DEADLINE_EXCEEDED: failed, // 8 where the end state is mixed: the end state rules
  ROLLOUT_ABORTED: failed,
  ROLLOUT_SUPERSEDED: { status: 409, exit: 11, retry: false },
  ROLLOUT_NOT_RUNNING: { status: 409, exit: 2, retry: false },
  NOTHING_TO_ROLL_BACK: { status: 404, exit: 5, retry: false },
  PLAN_STALE: { status: 409, exit: 10, retry: false },

  // server
  DATA_FOLDER_UNUSABLE: { status: 500, exit: 10, retry: false },
  SERVER_UNREACHABLE: { status: 502, exit: 10, retry: true },
  SERVER_LOST: { status: 502, exit: 1, retry: true },
  SERVER_ENDING: { status: 503, exit: 1, retry: true },
  SERVER_IN_USE: { status: 409, exit: 6, retry: true },
  TOKEN_INVALID: { status: 401, exit: 4, retry: false },
  REQUEST_INVALID: usage,
  INTERRUPTED: { status: 409, exit: 9, retry: true },
  TIMED_OUT: { status: 504, exit: 124, retry: true },
  UNEXPECTED: { status: 500, exit: 1, retry: false },
} as const satisfies Record<string, Failure>

/** A code of the table above. */
export type FailureCode = keyof typeof FAILURES

/** Facts for machines: numbers, names, places. Never a secret. */
export type Detail = Readonly<Record<string, string | number>>

/** What failed, as plain data: what a record keeps and what crosses a process. */
export interface FailureReport {
  readonly code: FailureCode
  /** What happened, with the numbers. */
  readonly message: string
  /** What to do now: one sentence that names the command or setting, and the state that was left. */
  readonly hint: string
  readonly detail: Detail
}

/** A failure a person can act on. Anything else that is thrown is a bug in our code. */
export class DeployError extends Error {
  readonly code: FailureCode
  readonly hint: string
  readonly detail: Detail

  constructor(code: FailureCode, message: string, more: { hint: string; detail?: Detail; cause?: unknown }) {
    super(message, { cause: more.cause })
    this.name = 'DeployError'
    this.code = code
    this.hint = more.hint
    this.detail = more.detail ?? {}
  }
}

/** The plain data of a failure. Something that is no DeployError is a bug: UNEXPECTED, with its message. */
export function failureReport(thrown: unknown): FailureReport {
  if (thrown instanceof DeployError) {
    const { code, message, hint, detail } = thrown
    return { code, message, hint, detail }
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return {
    code: 'UNEXPECTED',
    message,
    hint: 'This is a bug in Naru: please report it with the lines above.',
    detail: {},
  }
}

/** The error again from its plain data, on the other side of a process. */
export function failureError(report: FailureReport): DeployError {
  return new DeployError(report.code, report.message, { hint: report.hint, detail: report.detail })
}
