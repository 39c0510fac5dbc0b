import type { Route } from './app.ts'

interface Caused {
  /** Why the step is there, for people: "2 of the new revision missing". */
  readonly cause: string
}

interface OfReplica extends Caused {
  readonly replica: string
  readonly role: string
  readonly revision: number
}

/** Pull or unpack, check room: before anything is touched. */
export interface PrepareStep extends Caused {
  readonly kind: 'prepare'
  readonly revision: number
}
/** Run the release's migrate command once, under the name of its revision. Not repeatable: a second call attaches to the first. */
export interface MigrateStep extends Caused {
  readonly kind: 'migrate'
  readonly revision: number
}
/** Makes a replica and starts its program; `replica` is its new id. */
export interface StartStep extends OfReplica {
  readonly kind: 'start'
}
/** The router may send traffic. */
export interface AdmitStep extends OfReplica {
  readonly kind: 'admit'
  readonly address: { readonly host: string; readonly port: number }
}
/** Confirmed: no new connection reaches the target. Returns at once; what is in flight is observed. */
export interface DrainStep extends OfReplica {
  readonly kind: 'drain'
}
/** The stop signal; the engine kills what is left after the grace period by itself. */
export interface StopStep extends OfReplica {
  readonly kind: 'stop'
  readonly graceSeconds: number
}
/** The router forgets the target, the engine deletes what the stopped replica leaves. */
export interface RemoveStep extends OfReplica {
  readonly kind: 'remove'
}
/** Take a host out at an outside switch. The undo is written down first. */
export interface WithdrawStep extends Caused {
  readonly kind: 'withdraw'
  readonly host: string
}
/** Lets a host take traffic again at the outside switch. */
export interface RestoreStep extends Caused {
  readonly kind: 'restore'
  readonly host: string
}
/** An engine that rolls itself does the rest. */
export interface RollStep extends Caused {
  readonly kind: 'roll'
  readonly revision: number
}
/** Nothing to do until something changes. `untilMs`: wall time at which time itself is the change; null: only an event. */
export interface WaitStep extends Caused {
  readonly kind: 'wait'
  readonly untilMs: number | null
}

/** One call to an engine or router, as data. Doing one twice is safe (but see MigrateStep). */
export type Step =
  | PrepareStep
  | MigrateStep
  | StartStep
  | AdmitStep
  | DrainStep
  | StopStep
  | RemoveStep
  | WithdrawStep
  | RestoreStep
  | RollStep
  | WaitStep

/** What an engine carries out. */
export type EngineStep = PrepareStep | MigrateStep | StartStep | StopStep | RemoveStep | RollStep

/** What a router needs to publish: the routes of a scope with their ports settled. */
export interface PublishedRoute {
  readonly role: string
  readonly listen: { readonly host: string; readonly port: number }
}

/** A route whose port is settled. */
export function publishedRoute(route: Route): PublishedRoute {
  if (route.listen.port === 'role') throw new TypeError(`the port of the route to ${route.role} is not settled`)
  return { role: route.role, listen: { host: route.listen.host, port: route.listen.port } }
}
