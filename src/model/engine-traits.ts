/** `TerminationStarted`: a stopping replica has left its place. `TerminationComplete`: the place is taken until the process is gone (KEP-5882). */
export type PodReplacementPolicy = 'TerminationStarted' | 'TerminationComplete'

/**
 * A key of naru.yaml as a path (`rollout.strategy`, `routes[].host`, `roles.*.replicas.perHost`), or such a path with a
 * value (`rollout.strategy: Canary`). `[]` stands for any item of a list, `*` for any key of a map.
 */
export type AppKey = string

/** How engines differ, as data: planners read this and never ask for an engine's name (design.md section 5). */
export interface EngineTraits {
  /** Kubernetes: our plan is one step and a watch. */
  readonly rollsItself: boolean
  /** Whether two revisions can run side by side. */
  readonly surges: boolean
  readonly replacement: PodReplacementPolicy
  /** `own`: a network of its own per replica; `assigned`: the host's, and each replica gets a PORT. */
  readonly ports: 'own' | 'assigned'
  /** What it can hold a replica to on this machine. */
  readonly limits: readonly ('cpu' | 'memory')[]
  /** Whether the environment can keep its own memory. */
  readonly remembers: boolean
  /** Media types: OCI image manifest, or a WAR as an OCI artifact. */
  readonly accepts: readonly string[]
  /** Keys that it cannot honour, each with what to do instead. Refused before anything is built. */
  readonly refuses: readonly { readonly key: AppKey; readonly hint: string }[]
}
