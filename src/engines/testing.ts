import type { App, HealthCheck, Role } from '../model/app.ts'
import { MEDIA_TYPES } from '../model/descriptor.ts'
import type { Release } from '../model/release.ts'
import type { Order } from './engine.ts'

const NO_LIMITS = { cpuRequestMilli: null, cpuLimitMilli: null, memoryRequestBytes: null, memoryLimitBytes: null }
const HTTP: HealthCheck = { kind: 'http', path: '/healthz', port: null, host: null, expect: null }

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

/** An app with one role. */
export const anApp = (more: Partial<App> = {}): App => ({
  app: 'shop',
  environment: 'test',
  engine: { kind: 'embedded' },
  source: { kind: 'git', url: null, ref: null, folder: '', submodules: false },
  build: null,
  image: null,
  migrate: null,
  env: {},
  secrets: [],
  roles: [aRole()],
  routes: [],
  rollout: {
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
  },
  receipt: null,
  ...more,
})

const NO_ARTIFACT = { mediaType: MEDIA_TYPES.imageManifest, digest: `sha256:${'0'.repeat(64)}`, size: 0 }

/** Revision 1 of an app. */
export const aRelease = (app: App, more: Partial<Release> = {}): Release => ({
  app: app.app,
  environment: app.environment,
  revision: 1,
  artifact: NO_ARTIFACT,
  repository: 'shop',
  source: { url: null, commit: null, ref: null, subject: null, file: 'none' },
  settings: app,
  secrets: {},
  variables: [],
  createdAtMs: 0,
  createdBy: 'test',
  ...more,
})

/** An order for a release, by the right of token 1. */
export const anOrder = (release: Release, more: Partial<Order> & { secrets?: Record<string, string> } = {}): Order => ({
  scope: { app: release.app, environment: release.environment },
  token: 1,
  release,
  openSecrets: async () => more.secrets ?? {},
  ...more,
})
