import type { Describe } from './describe.ts'

/** A line of the root help; the rest is loaded when the command is meant, so that no command pays for the others. */
export interface CommandEntry {
  readonly name: string
  readonly summary: string
  readonly group: string
  readonly load: () => Promise<Describe>
}

const BEGIN = 'Begin:'
const CHANGE = 'Change what runs:'
const LOOK = 'Look:'
const MACHINE = 'This machine:'

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'init',
    summary: 'write a naru.yaml for this folder',
    group: BEGIN,
    load: async () => (await import('./project/init.ts')).describeInit,
  },
  {
    name: 'doctor',
    summary: 'check this machine, each finding with its fix',
    group: BEGIN,
    load: async () => (await import('./machine/doctor.ts')).describeDoctor,
  },
  {
    name: 'config',
    summary: 'every setting with its value, and where it comes from',
    group: BEGIN,
    load: async () => (await import('./project/config.ts')).describeConfig,
  },
  {
    name: 'plan',
    summary: 'what a deploy would do, step by step; changes nothing',
    group: CHANGE,
    load: async () => (await import('./changes/plan.ts')).describePlan,
  },
  {
    name: 'deploy',
    summary: 'take a commit, an image or a revision to running',
    group: CHANGE,
    load: async () => (await import('./changes/deploy.ts')).describeDeploy,
  },
  {
    name: 'build',
    summary: 'make the image without deploying it',
    group: CHANGE,
    load: async () => (await import('./changes/build.ts')).describeBuild,
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
    name: 'pause',
    summary: 'pause the rollout that is under way',
    group: CHANGE,
    load: async () => (await import('./changes/controls.ts')).describePause,
  },
  {
    name: 'resume',
    summary: 'go on with what was paused, held or interrupted',
    group: CHANGE,
    load: async () => (await import('./changes/controls.ts')).describeResume,
  },
  {
    name: 'abort',
    summary: 'roll back the rollout that is under way',
    group: CHANGE,
    load: async () => (await import('./changes/controls.ts')).describeAbort,
  },
  {
    name: 'stop',
    summary: 'stop all replicas and give the addresses back',
    group: CHANGE,
    load: async () => (await import('./changes/controls.ts')).describeStop,
  },
  {
    name: 'secret',
    summary: 'set, list and unset secrets',
    group: CHANGE,
    load: async () => (await import('./project/secret.ts')).describeSecret,
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
    name: 'logs',
    summary: 'what replicas write',
    group: LOOK,
    load: async () => (await import('./views/logs.ts')).describeLogs,
  },
  {
    name: 'image',
    summary: 'images of the embedded registry',
    group: MACHINE,
    load: async () => (await import('./machine/image.ts')).describeImage,
  },
  {
    name: 'registry',
    summary: 'run a registry of your own',
    group: MACHINE,
    load: async () => (await import('./registry/registry.ts')).describeRegistry,
  },
  {
    name: 'login',
    summary: 'try and store a login for a registry',
    group: MACHINE,
    load: async () => (await import('./machine/login.ts')).describeLogin,
  },
  {
    name: 'logout',
    summary: 'forget the login for a registry',
    group: MACHINE,
    load: async () => (await import('./machine/login.ts')).describeLogout,
  },
  {
    name: 'server',
    summary: 'serve API, registry and rollouts until it is ended',
    group: MACHINE,
    load: async () => (await import('./machine/server.ts')).describeServer,
  },
  {
    name: 'schema',
    summary: 'the JSON Schema of naru.yaml, for editors',
    group: MACHINE,
    load: async () => (await import('./machine/schema.ts')).describeSchema,
  },
  {
    name: 'version',
    summary: 'versions of Naru and Node',
    group: MACHINE,
    load: async () => (await import('./machine/version.ts')).describeVersion,
  },
]
