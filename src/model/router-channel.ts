/**
 * Messages between keeper and router process over the channel from parent to child (design.md 9a). The keeper starts the
 * router from an argument list that main.ts gave; neither imports the other.
 */
export const ROUTER_CHANNEL_VERSION = 1

/** Parent to child. A listening socket travels as the handle beside `listen`. */
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
 * A keeper that is not the router's parent (its predecessor was killed) says `exited` and `shutdown` as requests over
 * `router.sock` (os/line-socket, same version); `{ kind: 'who' }` is answered with this.
 */
export interface RouterWho {
  readonly pid: number
  readonly instanceId: string
  /** Whether a keeper holds its listening sockets. */
  readonly hasParent: boolean
}

/** Child to parent. */
export type FromRouter =
  | { readonly kind: 'hello'; readonly version: number; readonly pid: number }
  /** Wants a socket for this address; the keeper binds it once and keeps it for the router's successors. */
  | { readonly kind: 'bind'; readonly host: string; readonly port: number }
  /** No route uses the address any more: the keeper closes it. */
  | { readonly kind: 'unbind'; readonly host: string; readonly port: number }
