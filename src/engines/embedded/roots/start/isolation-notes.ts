import type { FoundIsolation } from './isolation.ts'

export interface IsolationFacts {
  readonly limits: readonly ('cpu' | 'memory')[]
  /** Whether device nodes could be made, where /dev is a plain folder. */
  readonly nodes: boolean
  readonly secretsInMemory: boolean
}

const LEVELS = {
  namespaces: 'replicas run in namespaces of their own (mount, pid, ipc, uts) and share the network of the machine',
  'user-namespaces':
    'replicas run in a user namespace: one user id is there, so every owner and user of the image is the same one',
  chroot:
    'replicas run in a root folder of their own without namespaces: /proc is not there, they see no other files, but a program that runs as root could get out',
  none: 'replicas are not kept apart: they run as this user, absolute paths are those of the machine, and they could read what this user can (for trying out)',
} as const

/** What a person should know of how replicas run here, a sentence each. */
export function isolationNotes(
  { isolation, overlay, entrance }: FoundIsolation,
  facts: IsolationFacts,
): readonly string[] {
  const missing = (['memory', 'cpu'] as const).filter((name) => !facts.limits.includes(name))
  return [
    LEVELS[isolation],
    ...missing.map((name) => `${name} is not limited here: no cgroup that this user may write`),
    ...(overlay || isolation === 'none' || isolation === 'chroot'
      ? []
      : ['overlays do not work in the data folder: each replica has a copy of its image']),
    ...(isolation === 'chroot' && !facts.nodes ? ['device nodes cannot be made here: /dev has only null'] : []),
    ...(entrance === 'old-nsenter'
      ? ['nsenter is older than 2.38: a check of kind run may stand beside the root of a replica that swaps its folder']
      : []),
    ...(facts.secretsInMemory && (isolation === 'namespaces' || isolation === 'user-namespaces')
      ? []
      : ['files of secrets lie on the disk while a replica runs']),
  ]
}
