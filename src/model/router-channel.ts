/**
 * Messages between keeper and router process over the channel between parent and child (design.md 9a). The keeper starts the
 * router from an argument list that main.ts gave; after the keeper was killed, the router starts the next one (KeepRequest).
 * Neither imports the other.
 */
export const ROUTER_CHANNEL_VERSION = 1

/** Keeper to router. A listening socket travels as the handle beside `listen`. */
export type ToRouter =
  | { readonly kind: 'hello'; readonly version: number }
  /** A bound socket for this address, as the message's handle; or why there is none. */
  | { readonly kind: 'listen'; readonly host: string; readonly port: number; readonly error: string | null }
  /** A process is gone: its target must leave the map now, without the server. */
  | { readonly kind: 'exited'; readonly scope: string; readonly replica: string }
  /**
   * End. `remove`: also take the kernel's rules and the socket file away. Otherwise rules and state stay for a successor;
   * it stops to accept at once, lets open connections finish for up to `lingerMs`, then exits with 0.
   */
  | { readonly kind: 'shutdown'; readonly remove: boolean; readonly lingerMs: number }

/**
 * A keeper without a channel to the router (its predecessor was killed) says `exited`, `shutdown` and `keep` as requests over
 * `router.sock` (os/line-socket, same version); `{ kind: 'who' }` is answered with RouterWho.
 *
 * `keep`: start this keeper, as your child, and give it your listening sockets, which Node passes between parent and child alone.
 * It is told `go` when the connection of who asked has ended: until then that one holds the keeper's lock.
 */
export interface KeepRequest {
  readonly kind: 'keep'
  /** Program and arguments. */
  readonly command: readonly string[]
  /** The file to which it writes. */
  readonly log: string
}

/** It is ready and waits for `go`. A router of an earlier version answers null, and does nothing. */
export interface KeepAnswer {
  readonly keeperPid: number
}

export interface RouterWho {
  readonly pid: number
  readonly instanceId: string
  /** Whether a keeper holds its listening sockets (it need not be the parent). */
  readonly hasParent: boolean
}

/** Router to keeper. */
export type FromRouter =
  | { readonly kind: 'hello'; readonly version: number; readonly pid: number }
  /** Wants a socket for this address; the keeper binds it once and keeps it for the router's successors. */
  | { readonly kind: 'bind'; readonly host: string; readonly port: number }
  /** A socket on which this router listens and that the keeper does not hold yet, as the message's handle: hold it as well. */
  | { readonly kind: 'socket'; readonly host: string; readonly port: number }
  /** To a keeper that the router started, after its sockets: the lock is free, take it, and be the keeper of this router. */
  | { readonly kind: 'go'; readonly isRouter: true }
  /** No route uses the address any more: the keeper closes it. */
  | { readonly kind: 'unbind'; readonly host: string; readonly port: number }
