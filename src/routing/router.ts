import type { Scope } from '../model/app.ts'
import type { ObservedRouter } from '../model/observed.ts'
import type { FencingToken } from '../model/rollout.ts'
import type { PublishedRoute } from '../model/step.ts'

/** One address that may get traffic of a scope's role. */
export interface Target {
  readonly replica: string
  readonly role: string
  readonly revision: number
  readonly address: { readonly host: string; readonly port: number }
}

/** What sends traffic to replicas. Every change answers only when it is true for the data path. Throws DeployError: FENCED, PORT_TAKEN, ROUTER_FAILED. */
export interface Router {
  /** The targets of a scope, with what is in flight. */
  observe(scope: Scope, signal: AbortSignal): Promise<ObservedRouter>
  /** Yields whenever a target's state or its being in flight may have changed (also at once). Ends with the signal. */
  changes(scope: Scope, signal: AbortSignal): AsyncIterable<void>
  /** Publishes exactly these routes for the scope: addresses are taken or given back. A taken one is PORT_TAKEN, and nothing has changed. */
  publish(scope: Scope, routes: readonly PublishedRoute[], token: FencingToken, signal: AbortSignal): Promise<void>
  /** The target gets new connections from now on, in even spread. */
  admit(scope: Scope, target: Target, token: FencingToken, signal: AbortSignal): Promise<void>
  /** Confirmed: no new connection reaches the target. Answers what is in flight there now. Of an unknown target: 0. */
  drain(scope: Scope, replica: string, token: FencingToken, signal: AbortSignal): Promise<number>
  /** Forgets the target; connections that are still open are left alone. */
  remove(scope: Scope, replica: string, token: FencingToken, signal: AbortSignal): Promise<void>
  /** Which revision served the connection that came from this source port to this published address; null: not known. */
  servedBy(scope: Scope, sourcePorts: readonly number[], signal: AbortSignal): Promise<readonly (number | null)[]>
}
