import type { App, Scope } from '../model/app.ts'
import { MEDIA_TYPES } from '../model/descriptor.ts'
import type { Event } from '../model/event.ts'
import type { Receipt } from '../model/receipt.ts'
import type { Release } from '../model/release.ts'
import type { Rollout } from '../model/rollout.ts'
import * as model from '../model/testing.ts'
import type { Memory } from './memory.ts'

export const SHOP: Scope = { app: 'shop', environment: 'prod' }

export const anApp = (scope: Scope = SHOP): App =>
  model.anApp({ ...scope, image: 'shop', env: { LOG_LEVEL: 'info', GREETING: '안녕 "세상"\n' }, roles: [] })

export function aRelease(more: Partial<Release> = {}): Omit<Release, 'revision'> {
  const scope = { app: more.app ?? SHOP.app, environment: more.environment ?? SHOP.environment }
  const { revision: _revision, ...release } = model.aRelease(anApp(scope), {
    artifact: { mediaType: MEDIA_TYPES.imageManifest, digest: `sha256:${'5'.repeat(64)}`, size: 512 },
    source: { url: '/repos/shop.git', commit: 'a'.repeat(40), ref: 'main', subject: 'Faster search', file: 'commit' },
    variables: ['WORKERS'],
    createdAtMs: 1_790_000_000_000,
    ...more,
  })
  return release
}

export function aRollout(more: Partial<Rollout> = {}): Omit<Rollout, 'id'> {
  const first = {
    operation: 'op',
    to: 1,
    from: null,
    phase: 'Preparing',
    progressReason: 'NewReplicaSetCreated',
  } as const
  const atMs = 1_790_000_000_000
  const { id: _id, ...rollout } = model.aRollout({
    ...SHOP,
    ...first,
    startedAtMs: atMs,
    progressedAtMs: atMs,
    ...more,
  })
  return rollout
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
