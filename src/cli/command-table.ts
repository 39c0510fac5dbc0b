import type { Describe } from './describe.ts'

/** A line of the root help; the rest is loaded when the command is meant, so that no command pays for the others. */
export interface CommandEntry {
  readonly name: string
  readonly summary: string
  readonly group: string
  readonly load: () => Promise<Describe>
}

const CHANGE = 'Change what runs:'
const LOOK = 'Look:'
const MACHINE = 'This machine:'

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'deploy',
    summary: 'take a commit, an image or a revision to running',
    group: CHANGE,
    load: async () => (await import('./changes/deploy.ts')).describeDeploy,
  },
  {
    name: 'rollback',
    summary: 'go back to an earlier revision: image, settings and secrets',
    group: CHANGE,
    load: async () => (await import('./changes/rollback.ts')).describeRollback,
  },
  {
    name: 'scale',
    summary: 'other numbers of replicas',
    group: CHANGE,
    load: async () => (await import('./changes/scale.ts')).describeScale,
  },
  {
    name: 'resume',
    summary: 'go on with what was paused or held',
    group: CHANGE,
    load: async () => (await import('./changes/stop.ts')).describeResume,
  },
  {
    name: 'abort',
    summary: 'roll back the rollout that is under way',
    group: CHANGE,
    load: async () => (await import('./changes/stop.ts')).describeAbort,
  },
  {
    name: 'stop',
    summary: 'stop all replicas and give the addresses back',
    group: CHANGE,
    load: async () => (await import('./changes/stop.ts')).describeStop,
  },
  {
    name: 'status',
    summary: 'what runs now',
    group: LOOK,
    load: async () => (await import('./views/status.ts')).describeStatus,
  },
  {
    name: 'history',
    summary: 'rollouts and their receipts',
    group: LOOK,
    load: async () => (await import('./views/history.ts')).describeHistory,
  },
  {
    name: 'image',
    summary: 'images of the embedded registry',
    group: MACHINE,
    load: async () => (await import('./machine/image.ts')).describeImage,
  },
  {
    name: 'server',
    summary: 'serve API, registry and rollouts until it is ended',
    group: MACHINE,
    load: async () => (await import('./machine/server.ts')).describeServer,
  },
  {
    name: 'version',
    summary: 'versions of Naru and Node',
    group: MACHINE,
    load: async () => (await import('./machine/version.ts')).describeVersion,
  },
]
