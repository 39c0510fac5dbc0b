import type { App } from '../model/app.ts'
import { MEDIA_TYPES } from '../model/descriptor.ts'
import type { Event, Happening } from '../model/event.ts'
import type { ObservedReplica, ObservedTarget } from '../model/observed.ts'
import type { Release } from '../model/release.ts'
import * as model from '../model/testing.ts'

/** An app with two replicas of the role `web`, published on 127.0.0.1:8080. */
export const anApp = (more: Partial<App> = {}): App =>
  model.anApp({
    roles: [model.aRole({ replicas: 2 })],
    routes: [aRoute('web', 8080)],
    rollout: { ...model.ROLLOUT_SETTINGS, maxSurge: 1 },
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

export const aRelease = (revision: number, settings: App = anApp(), more: Partial<Release> = {}): Release =>
  model.aRelease(settings, {
    revision,
    artifact: { mediaType: MEDIA_TYPES.imageManifest, digest: `sha256:${String(revision).padStart(64, '0')}`, size: 1 },
    source: { url: null, commit: `c${revision}`, ref: null, subject: `release ${revision}`, file: 'commit' },
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
