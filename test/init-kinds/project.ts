import { existsSync } from 'node:fs'
import type { Base } from './base.ts'

/** A small project of a kind. At `/` it says `hello from` and its user's number; with BROKEN in its environment it answers 500. */
export interface Project {
  readonly name: string
  readonly bases: readonly Base[]
  readonly files: Readonly<Record<string, string>>
  /** What package managers have to make before it is committed, such as a lock file: programs with arguments. */
  readonly prepare?: readonly (readonly [program: string, ...args: readonly string[]])[]
  /** What it says, where that is not HELLO. */
  readonly says?: string
  readonly user?: string
  /** Nothing of it can be broken by a variable. */
  readonly neverBroken?: true
  /** It closes kept connections when it ends, and with one a request that is just on its way: others here keep none. */
  readonly keepsConnections?: true
  /** What naru.yaml has to say of readiness; null: nothing, so that it is the HEALTHCHECK. */
  readonly readiness: string | null
}

/** What it cannot be tried without, and is not here; null: it can be tried. */
export async function missingFor({ bases }: Project): Promise<string | null> {
  if (!existsSync('/bin/busybox')) return 'busybox'
  for (const base of bases) {
    const missing = await base.missing()
    if (missing !== null) return missing
  }
  return null
}

export const ORDINARY_USER = '65532:65532'
export const CONNECT = '{ tcp: true }'
export const HELLO = 'hello from 65532'
