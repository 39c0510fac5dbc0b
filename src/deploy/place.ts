import type { Clock } from '../lib/clock.ts'
import type { Scope } from '../model/app.ts'
import type { Engine } from '../engines/engine.ts'
import type { Memory } from '../memory/memory.ts'
import type { Prober } from '../probe/probe.ts'
import type { Router } from '../routing/router.ts'
import type { Redact } from './event-stream.ts'

/** Everything that carrying out a rollout in one environment needs: an engine with its router, what it remembers, and time. */
export interface Place {
  readonly engine: Engine
  readonly router: Router
  readonly memory: Memory
  readonly prober: Prober
  readonly clock: Clock
  /** Who writes: for leases and their messages. */
  readonly holder: string
  /** Where the prober's ledger of a rollout is kept. */
  ledger(scope: Scope, rollout: number): string
  /** Makes a redactor from secret values. */
  redactor(values: readonly string[]): Redact
  /** Forgets images of releases that history no longer keeps. */
  pruneImages(scope: Scope): Promise<void>
}
