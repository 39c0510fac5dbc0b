import type { App, Scope } from '../model/app.ts'
import type { Event } from '../model/event.ts'
import type { Receipt } from '../model/receipt.ts'
import type { Release } from '../model/release.ts'
import type { Rollout } from '../model/rollout.ts'
import type { Memory } from './memory.ts'

export const SHOP: Scope = { app: 'shop', environment: 'prod' }

export function anApp(scope: Scope = SHOP): App {
  return {
    ...scope,
    engine: { kind: 'embedded' },
    source: { kind: 'git', url: null, ref: null, folder: '', submodules: false },
    build: null,
    image: 'shop',
    migrate: null,
    env: { LOG_LEVEL: 'info', GREETING: '안녕 "세상"\n' },
    secrets: [],
    roles: [],
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
  }
}

export function aRelease(more: Partial<Release> = {}): Omit<Release, 'revision'> {
  const scope = { app: more.app ?? SHOP.app, environment: more.environment ?? SHOP.environment }
  const { revision: _revision, ...rest } = more
  return {
    ...scope,
    artifact: {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: `sha256:${'5'.repeat(64)}`,
      size: 512,
    },
    repository: 'shop',
    source: { url: '/repos/shop.git', commit: 'a'.repeat(40), ref: 'main', subject: 'Faster search', file: 'commit' },
    settings: anApp(scope),
    secrets: {},
    variables: ['WORKERS'],
    createdAtMs: 1_790_000_000_000,
    createdBy: 'kim',
    ...rest,
  }
}

export function aRollout(more: Partial<Rollout> = {}): Omit<Rollout, 'id'> {
  const { id: _id, ...rest } = more
  return {
    ...SHOP,
    operation: 'op',
    kind: 'deploy',
    to: 1,
    from: null,
    phase: 'Preparing',
    startedAtMs: 1_790_000_000_000,
    startedBy: 'kim',
    endedAtMs: null,
    endState: null,
    failure: null,
    supersededBy: null,
    migrated: false,
    progressedAtMs: 1_790_000_000_000,
    progressReason: 'NewReplicaSetCreated',
    abortedBy: null,
    ...rest,
  }
}

export function aReceipt(more: Partial<Receipt> = {}): Receipt {
  return {
    ...SHOP,
    rollout: 1,
    kind: 'deploy',
    from: null,
    to: 1,
    commit: 'a'.repeat(40),
    subject: 'Faster search',
    digest: `sha256:${'5'.repeat(64)}`,
    by: 'kim',
    startedAtMs: 1_790_000_000_000,
    tookMs: 6200.5,
    endState: 'all-new',
    failure: null,
    requests: { kind: 'not-measured', why: 'no route' },
    fewestAvailable: 3,
    replicas: 3,
    inFlightAtStop: 0,
    cut: 0,
    reading: 'none',
    router: null,
    migrate: 'none',
    settings: { added: 0, removed: 0 },
    secretsChanged: [],
    notes: [],
    back: null,
    timeline: [],
    ...more,
  }
}

export function anEvent(id: number, more: Partial<Pick<Event, 'rollout' | 'operation' | 'app'>> = {}): Event {
  return {
    ...SHOP,
    kind: 'note',
    message: `note ${id}`,
    id,
    atMs: 1_790_000_000_000 + id,
    operation: 'op',
    rollout: null,
    ...more,
  }
}

/** For a child process: takes the lease and stores releases until it is killed, and says each number that was acknowledged. */
export async function writeForever(memory: Memory, say: (revision: number) => void): Promise<never> {
  const { token } = await memory.acquireLease(SHOP, `writer ${process.pid}`, 600_000, Date.now())
  for (;;) {
    const { revision } = await memory.addRelease(aRelease({ createdBy: `pid ${process.pid}` }), token)
    await memory.appendEvents('op', [anEvent(revision, { rollout: revision })])
    say(revision)
  }
}

/** For child processes at once: says `won` and the token, or `held`. */
export async function tryLease(memory: Memory, say: (answer: string) => void): Promise<void> {
  const answer = await memory.acquireLease(SHOP, `process ${process.pid}`, 600_000, Date.now()).then(
    ({ token }) => `won ${token}`,
    (failed: { code?: string }) => String(failed.code),
  )
  say(answer)
  await memory.close()
}
