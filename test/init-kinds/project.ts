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
  /** What naru.yaml has to say of readiness. */
  readonly readiness: string
}

export const ORDINARY_USER = '65532:65532'
export const HELLO = 'hello from 65532'
