import type { Heredoc } from './heredoc.ts'
import type { Place } from './place.ts'

/** A command: exec form (a JSON list) or shell form (one text for the image's shell). */
export type Command =
  | { readonly form: 'exec'; readonly args: readonly string[] }
  | { readonly form: 'shell'; readonly script: string }

export interface FromInstruction {
  readonly kind: 'from'
  /** Not expanded yet; so are all words below that may hold variables. */
  readonly image: string
  readonly platform: string | null
  /** In lower case. */
  readonly name: string | null
}

export interface CopyInstruction {
  readonly kind: 'copy' | 'add'
  readonly sources: readonly string[]
  readonly files: readonly Heredoc[]
  readonly destination: string
  readonly from: string | null
  readonly chown: string | null
  readonly chmod: string | null
  readonly link: boolean
  /** COPY: the folders that lead to a source are kept. */
  readonly parents: boolean
  readonly excludes: readonly string[]
  /** ADD: of an address. */
  readonly checksum: string | null
  readonly keepGitDir: boolean
  /** ADD: null leaves it to the kind of source. */
  readonly unpack: boolean | null
}

export interface HealthcheckInstruction {
  readonly kind: 'healthcheck'
  /** null: NONE, which switches off the check of the base image. */
  readonly command: Command | null
  readonly intervalNs: number | null
  readonly timeoutNs: number | null
  readonly startPeriodNs: number | null
  readonly startIntervalNs: number | null
  readonly retries: number | null
}

export interface RunMeaning {
  readonly kind: 'run'
  readonly command: Command
  readonly flags: readonly string[]
  readonly heredocs: readonly Heredoc[]
}

/** What an instruction says, words not expanded yet. */
export type Meaning =
  | FromInstruction
  | CopyInstruction
  | HealthcheckInstruction
  | { readonly kind: 'arg'; readonly args: readonly { readonly name: string; readonly value: string | null }[] }
  | { readonly kind: 'env' | 'label'; readonly pairs: readonly (readonly [string, string])[] }
  | { readonly kind: 'workdir' | 'user' | 'stopsignal' | 'maintainer'; readonly value: string }
  | { readonly kind: 'expose' | 'volume'; readonly values: readonly string[] }
  | { readonly kind: 'cmd' | 'entrypoint'; readonly command: Command }
  | { readonly kind: 'shell'; readonly args: readonly string[] }
  | { readonly kind: 'onbuild'; readonly trigger: string; readonly triggerKeyword: string }
  | RunMeaning

interface Placed {
  readonly place: Place
  /** The joined line, for people and for the history of the image. */
  readonly text: string
}

export type Instruction = Meaning & Placed
export type RunInstruction = RunMeaning & Placed
