import type { IncomingMessage } from 'node:http'
import type { RegistryAction } from '../../model/registry-right.ts'
import { RegistryError } from './registry-error.ts'

/** What a request is about to do, before anything of the store is looked at. */
export type Need =
  | { readonly kind: 'ping' }
  | { readonly kind: 'catalog' }
  | {
      readonly kind: 'repository'
      readonly repository: string
      readonly action: RegistryAction
      /** A mount: from this repository, or from any (null). What it may not read from there is not there for it. */
      readonly mountFrom?: string | null
    }

/** Whoever was let in for one request. */
export interface Visitor {
  /** null: anybody. */
  readonly name: string | null
  may(repository: string, action: RegistryAction): boolean
  /** Whether a repository is in its catalog. */
  sees(repository: string): boolean
  /** Repositories that a blob may be mounted from without saying which. */
  readonly mounts: 'all' | 'those that it sees' | readonly string[]
}

/** Lets a request in, or throws the RegistryError that it is answered: the same whether what it wants is there or not. */
export type Gate = (request: IncomingMessage, need: Need) => Visitor | Promise<Visitor>

/** Whoever may do all. */
export const EVERYTHING: Visitor = { name: null, may: () => true, sees: () => true, mounts: 'all' }

/** Whoever `isAllowed` lets in may do all; who may not is asked for Basic credentials. */
export const oneKeyGate =
  (isAllowed: (request: IncomingMessage) => boolean): Gate =>
  (request) => {
    if (isAllowed(request)) return EVERYTHING
    throw new RegistryError(
      'UNAUTHORIZED',
      'the registry wants the token of this server: user "naru", the token as password',
      {
        headers: { 'WWW-Authenticate': 'Basic realm="naru"' },
      },
    )
  }
