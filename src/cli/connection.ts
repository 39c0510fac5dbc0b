import type { ApiClient } from './api-client.ts'

/** The server that a command talks to, and what becomes of it when the command ends. */
export interface Connection {
  readonly client: ApiClient
  /** `inside`: it runs in this process. `detached`: of this machine. `elsewhere`: by its URL. */
  readonly kind: 'inside' | 'detached' | 'elsewhere'
  /** The server lives in the process of a command, this or another one: when that is gone, this one goes on. */
  readonly isShared: boolean
  /** Whether Ctrl-C ends the operation, and not only the watching: where the server is inside, and under CI. */
  readonly isInterruptible: boolean
  /** Finishes the current step and ends the operation with exit 9. */
  interrupt(operation: string): Promise<void>
  /** Inside: stays until everything has ended that others asked the server for, and ends it. */
  close(): Promise<void>
}
