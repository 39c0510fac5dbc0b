import type { Readable } from 'node:stream'
import type { Clock } from '../lib/clock.ts'
import type { CliHost } from './host.ts'
import type { Interrupts } from './interrupts.ts'
import type { Output } from './output.ts'

/** What every command gets: where it runs, who it talks to, where it writes, and when it must end. */
export interface Session {
  readonly host: CliHost
  readonly output: Output
  readonly clock: Clock
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: Readable & { readonly isTTY?: boolean }
  /** The folder in front of the user. */
  readonly folder: string
  readonly options: GlobalOptions
  readonly interrupts: Interrupts
  /** Aborted by Ctrl-C and by --timeout, unless the command answers for them itself. */
  readonly signal: AbortSignal
  /** Aborted when nobody reads stdout any more. */
  readonly unread: AbortSignal
}

/** The options that many commands share; null: not given. */
export interface GlobalOptions {
  readonly environment: string | null
  readonly app: string | null
  /** Path of naru.yaml. */
  readonly file: string | null
  readonly data: string | null
  readonly server: string | null
  readonly noServer: boolean
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
  readonly timeoutSeconds: number | null
}
