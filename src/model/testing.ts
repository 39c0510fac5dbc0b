import type { App, HealthCheck, Role, RolloutSettings } from './app.ts'
import { MEDIA_TYPES } from './descriptor.ts'
import type { Release } from './release.ts'
import type { Rollout } from './rollout.ts'

const NO_LIMITS = { cpuRequestMilli: null, cpuLimitMilli: null, memoryRequestBytes: null, memoryLimitBytes: null }
const HTTP: HealthCheck = { kind: 'http', path: '/healthz', port: null, host: null, expect: null }

/** What holds where naru.yaml says nothing. */
export const ROLLOUT_SETTINGS: RolloutSettings = {
  strategy: 'RollingUpdate',
  maxSurge: '25%',
  maxUnavailable: 0,
  minReadySeconds: 0,
  progressDeadlineSeconds: 120,
  terminationGracePeriodSeconds: 30,
  drainSeconds: 0,
  revisionHistoryLimit: 10,
  onFailure: 'rollback',
  startRetries: 1,
}

/** A role that serves on a port and is ready when it answers. */
export const aRole = (more: Partial<Role> = {}): Role => ({
  name: 'web',
  run: null,
  port: 8080,
  replicas: 1,
  env: {},
  resources: NO_LIMITS,
  readiness: HTTP,
  startupSeconds: 60,
  terminationGracePeriodSeconds: 30,
  ...more,
})

/** An app with one role, published nowhere. */
export const anApp = (more: Partial<App> = {}): App => ({
  app: 'shop',
  environment: 'local',
  engine: { kind: 'embedded' },
  source: { kind: 'git', url: null, ref: null, folder: '', submodules: false },
  build: null,
  image: null,
  migrate: null,
  env: {},
  secrets: [],
  roles: [aRole()],
  routes: [],
  rollout: ROLLOUT_SETTINGS,
  receipt: null,
  ...more,
})

/** Revision 1 of an app. */
export const aRelease = (settings: App = anApp(), more: Partial<Release> = {}): Release => ({
  app: settings.app,
  environment: settings.environment,
  revision: 1,
  artifact: { mediaType: MEDIA_TYPES.imageManifest, digest: `sha256:${'0'.repeat(64)}`, size: 0 },
  repository: settings.app,
  source: { url: null, commit: null, ref: null, subject: null, file: 'none' },
  settings,
  secrets: {},
  variables: [],
  createdAtMs: 0,
  createdBy: 'kim',
  ...more,
})

/** The way from revision 1 to 2, in the middle. */
export const aRollout = (more: Partial<Rollout> = {}): Rollout => ({
  app: 'shop',
  environment: 'local',
  id: 2,
  operation: 'o2',
  kind: 'deploy',
  to: 2,
  from: 1,
  phase: 'Progressing',
  startedAtMs: 1000,
  startedBy: 'kim',
  endedAtMs: null,
  endState: null,
  failure: null,
  supersededBy: null,
  migrated: false,
  progressedAtMs: 1000,
  progressReason: 'started',
  abortedBy: null,
  ...more,
})
