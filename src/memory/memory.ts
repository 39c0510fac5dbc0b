import type { Scope } from '../model/app.ts'
import type { Event } from '../model/event.ts'
import type { Receipt } from '../model/receipt.ts'
import type { Release } from '../model/release.ts'
import type { DesiredState, FencingToken, Rollout } from '../model/rollout.ts'

/** One writer's right to a scope. */
export interface Lease {
  readonly token: FencingToken
  /** Who: `server pid 123 on host-a`, for messages. */
  readonly holder: string
  readonly expiresAtMs: number
}

/** A secret's name and newest version; never its value. */
export interface SecretEntry {
  readonly name: string
  readonly version: number
  readonly setAtMs: number
  readonly setBy: string
}

/** What an environment remembers, kept where the app runs. Every write is durable when it is acknowledged; with an old token it is refused (LEASE_LOST). */
export interface Memory {
  /** Takes a free or run-out lease (a new, higher token), or renews one's own (same token). Throws LEASE_HELD with the holder and when it runs out. */
  acquireLease(scope: Scope, holder: string, ttlMs: number, nowMs: number): Promise<Lease>
  /** Extends it. Throws LEASE_LOST when another has it. */
  renewLease(scope: Scope, token: FencingToken, ttlMs: number, nowMs: number): Promise<Lease>
  releaseLease(scope: Scope, token: FencingToken): Promise<void>

  /** All scopes that were ever deployed, sorted. */
  scopes(): Promise<readonly Scope[]>
  desired(scope: Scope): Promise<DesiredState>
  saveDesired(scope: Scope, desired: DesiredState, token: FencingToken): Promise<void>

  /** Stores a release under the next revision number: highest ever used + 1. */
  addRelease(release: Omit<Release, 'revision'>, token: FencingToken): Promise<Release>
  release(scope: Scope, revision: number): Promise<Release | null>
  /** Newest first. */
  releases(scope: Scope): Promise<readonly Release[]>
  /** Forgets releases, and secret versions that only they used. Numbers are never used again. */
  deleteReleases(scope: Scope, revisions: readonly number[], token: FencingToken): Promise<void>

  /** Stores a rollout under the next id. */
  addRollout(rollout: Omit<Rollout, 'id'>, token: FencingToken): Promise<Rollout>
  saveRollout(rollout: Rollout, token: FencingToken): Promise<void>
  /** Newest first. */
  rollouts(scope: Scope, limit: number): Promise<readonly Rollout[]>
  saveReceipt(receipt: Receipt, token: FencingToken): Promise<void>
  receipt(scope: Scope, rollout: number): Promise<Receipt | null>

  /** Appends to the stream of one operation; ids count up within it. */
  appendEvents(operation: string, events: readonly Event[]): Promise<void>
  /** Events of an operation after an id, in order. */
  events(operation: string, afterId: number): Promise<readonly Event[]>
  /** Operations of a scope, newest first, with the id of the rollout where there is one. */
  operations(
    scope: Scope,
    limit: number,
  ): Promise<readonly { readonly operation: string; readonly rollout: number | null }[]>

  /** Seals and stores a new version. */
  setSecret(scope: Scope, name: string, value: string, by: string, nowMs: number): Promise<SecretEntry>
  /** Sorted by name. */
  secrets(scope: Scope): Promise<readonly SecretEntry[]>
  /** Unsets the newest version; versions that releases pin stay openable. False: was not set. */
  unsetSecret(scope: Scope, name: string): Promise<boolean>
  /** Opens pinned versions. Throws SECRET_NOT_FOUND, SECRET_KEY_UNUSABLE. */
  openSecrets(scope: Scope, versions: Readonly<Record<string, number>>): Promise<Readonly<Record<string, string>>>
  close(): Promise<void>
}
