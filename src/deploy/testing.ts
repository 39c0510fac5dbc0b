import type { App } from '../model/app.ts'
import { MEDIA_TYPES } from '../model/descriptor.ts'
import type { Event, Happening } from '../model/event.ts'
import type { ObservedReplica, ObservedTarget } from '../model/observed.ts'
import type { Release } from '../model/release.ts'
import type { Rollout } from '../model/rollout.ts'

const NO_LIMITS = { cpuRequestMilli: null, cpuLimitMilli: null, memoryRequestBytes: null, memoryLimitBytes: null }

/** An app with the role `web`, published on 127.0.0.1:8080. */
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
  roles: [
    {
      name: 'web',
      run: null,
      port: 8080,
      replicas: 2,
      env: {},
      resources: NO_LIMITS,
      readiness: { kind: 'http', path: '/healthz', port: null, host: null, expect: null },
      startupSeconds: 60,
      terminationGracePeriodSeconds: 30,
    },
  ],
  routes: [aRoute('web', 8080)],
  rollout: {
    strategy: 'RollingUpdate',
    maxSurge: 1,
    maxUnavailable: 0,
    minReadySeconds: 0,
    progressDeadlineSeconds: 120,
    terminationGracePeriodSeconds: 30,
    drainSeconds: 0,
    revisionHistoryLimit: 10,
    onFailure: 'rollback',
    startRetries: 1,
  },
  receipt: { path: null, rate: 5 },
  ...more,
})

export const aRoute = (role: string, port: number, host = '127.0.0.1'): App['routes'][number] => ({
  role,
  listen: { host, port },
  host: null,
  path: '/',
  tls: null,
})

export const aRelease = (revision: number, settings: App = anApp(), more: Partial<Release> = {}): Release => ({
  app: settings.app,
  environment: settings.environment,
  revision,
  artifact: { mediaType: MEDIA_TYPES.imageManifest, digest: `sha256:${String(revision).padStart(64, '0')}`, size: 1 },
  repository: settings.app,
  source: { url: null, commit: `c${revision}`, ref: null, subject: `release ${revision}`, file: 'commit' },
  settings,
  secrets: {},
  variables: [],
  createdAtMs: 0,
  createdBy: 'kim',
  ...more,
})

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

export const aReplica = (id: string, more: Partial<ObservedReplica> = {}): ObservedReplica => ({
  id,
  role: 'web',
  revision: Number(id.split('-')[1]),
  host: null,
  phase: 'Running',
  ready: true,
  readySinceMs: 0,
  startedAtMs: 0,
  stopSentAtMs: null,
  address: { host: '127.0.0.1', port: 20_000 },
  pid: 7,
  restarts: 0,
  lastExit: null,
  lastProbe: null,
  listens: null,
  ...more,
})

export const aTarget = (replica: string, more: Partial<ObservedTarget> = {}): ObservedTarget => ({
  replica,
  role: 'web',
  revision: Number(replica.split('-')[1]),
  address: { host: '127.0.0.1', port: 20_000 },
  state: 'Active',
  sinceMs: 0,
  inFlight: 0,
  open: 0,
  counts: { connections: 0, refused: 0, cut: 0 },
  ...more,
})

/** Events of one stream, 100 ms apart from 1000 on. */
export const eventsOf = (...happenings: readonly Happening[]): Event[] =>
  happenings.map((happening, index) => ({
    app: 'shop',
    environment: 'local',
    id: index + 1,
    atMs: 1000 + index * 100,
    operation: 'o2',
    rollout: 2,
    ...happening,
  }))
