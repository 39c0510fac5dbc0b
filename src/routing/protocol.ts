import type { Scope } from '../model/app.ts'
import type { KeepRequest, ToRouter } from '../model/router-channel.ts'
import type { FencingToken } from '../model/rollout.ts'
import type { PublishedRoute } from '../model/step.ts'
import type { Target } from './router.ts'

/** What a client asks the router process over `router.sock`; the version is ROUTER_CHANNEL_VERSION of model. */
export type RouterRequest =
  | { readonly kind: 'observe'; readonly scope: Scope }
  | {
      readonly kind: 'publish'
      readonly scope: Scope
      readonly routes: readonly PublishedRoute[]
      readonly token: FencingToken
    }
  | { readonly kind: 'admit'; readonly scope: Scope; readonly target: Target; readonly token: FencingToken }
  | { readonly kind: 'drain'; readonly scope: Scope; readonly replica: string; readonly token: FencingToken }
  | { readonly kind: 'remove'; readonly scope: Scope; readonly replica: string; readonly token: FencingToken }
  | { readonly kind: 'servedBy'; readonly scope: Scope; readonly sourcePorts: readonly number[] }
  /** From now on this peer is told of changes. */
  | { readonly kind: 'watch' }
  | { readonly kind: 'notes' }
  | { readonly kind: 'who' }
  | KeepRequest
  | Extract<ToRouter, { readonly kind: 'exited' | 'shutdown' }>

/** What the router tells a peer that watches: something of this scope (its name) may have changed. */
export interface RouterPush {
  readonly changed: string
}
