import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Scope } from '../model/app.ts'
import type { Lease, Memory } from './memory.ts'
import { aReceipt, aRelease, aRollout, anEvent, SHOP } from './testing.ts'

/** One fresh place where a memory can be kept, for one test. */
export interface MemoryPlace {
  /** Opens it; several may be open at once. */
  open(): Promise<Memory>
  /** JavaScript of a module that opens it in another process, as `const memory`. */
  readonly openInChild: string
  /** Every byte that is stored, in all files. */
  storedBytes(): Buffer
  remove(): Promise<void>
}

const NOW = 1_790_000_000_000
const HOUR = 3_600_000
const LOCAL: Scope = { app: 'shop', environment: 'local' }

/** The rules of the port `Memory`, for every adapter. */
export function describeMemory(name: string, make: () => Promise<MemoryPlace>): void {
  describe(name, () => {
    let place: MemoryPlace
    let memory: Memory
    beforeEach(async () => {
      place = await make()
      memory = await place.open()
    })
    afterEach(async () => {
      await memory.close()
      await place.remove()
    })
    const here = () => ({ place, memory })
    describe('leases', () => leases(here))
    describe('fencing', () => fencing(here))
    describe('releases, rollouts and receipts', () => records(here))
    describe('events', () => events(here))
    describe('secrets', () => secrets(here))
    describe('processes', () => processes(here))
  })
}

type Here = () => { readonly place: MemoryPlace; readonly memory: Memory }

function leases(here: Here): void {
  it('gives a free lease, and says who holds it to everybody else', async () => {
    const { memory } = here()
    const lease = await memory.acquireLease(SHOP, 'server a', 10_000, NOW)
    expect(lease).toEqual({ token: 1, holder: 'server a', expiresAtMs: NOW + 10_000 })
    await expect(memory.acquireLease(SHOP, 'server b', 10_000, NOW + 9_000)).rejects.toMatchObject({
      code: 'LEASE_HELD',
      message: 'shop/prod is being changed by server a; its lease runs out in 1 s',
    })
  })

  it('renews the lease of the same holder under the same token', async () => {
    const { memory } = here()
    const first = await memory.acquireLease(SHOP, 'a', 10_000, NOW)
    const again = await memory.acquireLease(SHOP, 'a', 10_000, NOW + 5_000)
    expect(again).toEqual({ token: first.token, holder: 'a', expiresAtMs: NOW + 15_000 })
    expect(await memory.renewLease(SHOP, first.token, 10_000, NOW + 8_000)).toEqual({
      ...again,
      expiresAtMs: NOW + 18_000,
    })
  })

  it('gives a run-out or released lease to the next one under a higher token', async () => {
    const { memory } = here()
    const a = await memory.acquireLease(SHOP, 'a', 10_000, NOW)
    const b = await memory.acquireLease(SHOP, 'b', 10_000, NOW + 10_000)
    expect(b.token).toBeGreaterThan(a.token)
    await expect(memory.renewLease(SHOP, a.token, 10_000, NOW)).rejects.toMatchObject({ code: 'LEASE_LOST' })
    await memory.releaseLease(SHOP, b.token)
    await memory.releaseLease(SHOP, b.token)
    const c = await memory.acquireLease(SHOP, 'b', 10_000, NOW + 10_001)
    expect(c.token).toBeGreaterThan(b.token)
    await memory.releaseLease(SHOP, a.token)
    await expect(memory.acquireLease(SHOP, 'd', 10_000, NOW + 10_002)).rejects.toMatchObject({ code: 'LEASE_HELD' })
  })

  it('extends a run-out lease that nobody took, since nobody else has written', async () => {
    const { memory } = here()
    const { token } = await memory.acquireLease(SHOP, 'a', 10, NOW)
    expect((await memory.renewLease(SHOP, token, 10, NOW + HOUR)).token).toBe(token)
  })

  it('keeps the leases of other scopes apart', async () => {
    const { memory } = here()
    await memory.acquireLease(SHOP, 'a', HOUR, NOW)
    await memory.acquireLease(LOCAL, 'b', HOUR, NOW)
    await memory.acquireLease({ app: 'other', environment: 'prod' }, 'c', HOUR, NOW)
  })

  it('gives one of 100 parallel callers the lease (F5)', async () => {
    const { place, memory } = here()
    const second = await place.open()
    try {
      const calls = Array.from({ length: 100 }, (_, i) =>
        (i % 10 ? memory : second).acquireLease(SHOP, `caller ${i}`, HOUR, NOW),
      )
      const results = await Promise.allSettled(calls)
      const refused = results.flatMap((one) =>
        one.status === 'rejected' ? [(one.reason as { code: string }).code] : [],
      )
      expect(refused).toEqual(Array.from({ length: 99 }, () => 'LEASE_HELD'))
    } finally {
      await second.close()
    }
  })

  it('never gives a token twice, whatever happens', async () => {
    const { memory } = here()
    const act = fc.record({
      holder: fc.constantFrom('a', 'b', 'c'),
      does: fc.constantFrom('acquire', 'release', 'renew'),
      laterMs: fc.integer({ min: 0, max: 30 }),
    })
    let scopes = 0
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 20 }), async (acts) => {
        const scope = { app: `app${scopes++}`, environment: 'prod' }
        const owners = new Map<number, string>()
        let now = NOW
        for (const { holder, does, laterMs } of acts) {
          now += laterMs
          const token = [...owners].findLast(([, name]) => name === holder)?.[0] ?? 0
          const lease = await leaseAct(memory, scope, { holder, does, token, now })
          if (lease === null) continue
          expect(owners.get(lease.token) ?? holder).toBe(holder)
          expect(lease.token).toBeGreaterThanOrEqual(Math.max(0, ...owners.keys()))
          owners.set(lease.token, holder)
        }
      }),
      { numRuns: 30 },
    )
  })
}

/** One act of the property above; null where it is refused or gives nothing. */
async function leaseAct(
  memory: Memory,
  scope: Scope,
  act: { readonly holder: string; readonly does: string; readonly token: number; readonly now: number },
): Promise<Lease | null> {
  if (act.does === 'acquire') return memory.acquireLease(scope, act.holder, 20, act.now).catch(() => null)
  if (act.does === 'renew') return memory.renewLease(scope, act.token, 20, act.now).catch(() => null)
  await memory.releaseLease(scope, act.token)
  return null
}

function fencing(here: Here): void {
  const writes: readonly (readonly [string, (memory: Memory, token: number) => Promise<unknown>])[] = [
    ['renewLease', (memory, token) => memory.renewLease(SHOP, token, HOUR, NOW)],
    [
      'saveDesired',
      (memory, token) => memory.saveDesired(SHOP, { revision: 9, scale: {}, paused: true, sets: [] }, token),
    ],
    ['addRelease', (memory, token) => memory.addRelease(aRelease({ createdBy: 'old' }), token)],
    ['deleteReleases', (memory, token) => memory.deleteReleases(SHOP, [1], token)],
    ['addRollout', (memory, token) => memory.addRollout(aRollout({ startedBy: 'old' }), token)],
    ['saveRollout', (memory, token) => memory.saveRollout({ ...aRollout({ startedBy: 'old' }), id: 1 }, token)],
    ['saveReceipt', (memory, token) => memory.saveReceipt(aReceipt({ by: 'old' }), token)],
  ]

  it.each(writes)(
    'refuses %s with an old token, one never given, and one given back, and changes nothing',
    async (_name, write) => {
      const { memory } = here()
      const old = await memory.acquireLease(SHOP, 'a', 10, NOW)
      await memory.addRelease(aRelease(), old.token)
      await memory.addRollout(aRollout(), old.token)
      await memory.saveReceipt(aReceipt(), old.token)
      const everything = async () => [
        await memory.desired(SHOP),
        await memory.releases(SHOP),
        await memory.rollouts(SHOP, 10),
        await memory.receipt(SHOP, 1),
      ]
      const before = await everything()
      const next = await memory.acquireLease(SHOP, 'b', 10, NOW + HOUR)
      await expect(write(memory, old.token)).rejects.toMatchObject({ code: 'LEASE_LOST' })
      await expect(write(memory, next.token + 1)).rejects.toMatchObject({ code: 'LEASE_LOST' })
      await memory.releaseLease(SHOP, next.token)
      await expect(write(memory, next.token)).rejects.toMatchObject({ code: 'LEASE_LOST' })
      expect(await everything()).toEqual(before)
    },
  )

  it('refuses the token of another scope', async () => {
    const { memory } = here()
    const { token } = await memory.acquireLease(LOCAL, 'a', HOUR, NOW)
    await expect(memory.addRelease(aRelease(), token)).rejects.toMatchObject({ code: 'LEASE_LOST' })
  })
}

function records(here: Here): void {
  const lease = async (scope = SHOP) => (await here().memory.acquireLease(scope, 'test', HOUR, NOW)).token

  it('wants nothing of a scope that it does not know', async () => {
    const { memory } = here()
    expect(await memory.desired(SHOP)).toEqual({ revision: null, scale: {}, paused: false, sets: [] })
    expect(await memory.scopes()).toEqual([])
    expect(await memory.releases(SHOP)).toEqual([])
    expect(await memory.release(SHOP, 1)).toBeNull()
    expect(await memory.receipt(SHOP, 1)).toBeNull()
  })

  it('gives back what is desired', async () => {
    const { memory } = here()
    const sets = [{ role: 'web', revision: 3, size: 2, desiredReplicas: 3, maxReplicas: null }]
    const desired = { revision: 3, scale: { web: 5 }, paused: true, sets }
    const token = await lease()
    await memory.saveDesired(SHOP, desired, token)
    expect(await memory.desired(SHOP)).toEqual(desired)
    await memory.saveDesired(SHOP, { ...desired, paused: false }, token)
    expect(await memory.desired(SHOP)).toEqual({ ...desired, paused: false })
    expect(await memory.desired(LOCAL)).toMatchObject({ revision: null })
  })

  it('numbers releases within their scope, and gives back all of each', async () => {
    const { memory } = here()
    const token = await lease()
    const first = await memory.addRelease(aRelease(), token)
    const second = await memory.addRelease(aRelease({ createdBy: '김' }), token)
    const other = await memory.addRelease(aRelease(LOCAL), await lease(LOCAL))
    expect([first.revision, second.revision, other.revision]).toEqual([1, 2, 1])
    expect(await memory.release(SHOP, 1)).toEqual({ ...aRelease(), revision: 1 })
    expect(await memory.releases(SHOP)).toEqual([second, first])
    expect(await memory.scopes()).toEqual([LOCAL, SHOP])
  })

  it('never uses a revision twice, also after the newest was deleted', async () => {
    const { memory } = here()
    const token = await lease()
    const used: number[] = []
    for (let round = 0; round < 4; round++) {
      const { revision } = await memory.addRelease(aRelease(), token)
      used.push(revision)
      await memory.deleteReleases(SHOP, [revision], token)
      await memory.deleteReleases(SHOP, [revision], token)
    }
    expect(used).toEqual([1, 2, 3, 4])
    expect(await memory.releases(SHOP)).toEqual([])
    expect(await memory.scopes()).toEqual([SHOP])
  })

  it('gives parallel releases different numbers', async () => {
    const { memory } = here()
    const token = await lease()
    const added = await Promise.all(Array.from({ length: 20 }, () => memory.addRelease(aRelease(), token)))
    expect(added.map(({ revision }) => revision).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, i) => i + 1),
    )
  })

  it('keeps rollouts, newest first, and replaces one that got further', async () => {
    const { memory } = here()
    const token = await lease()
    const first = await memory.addRollout(aRollout(), token)
    const second = await memory.addRollout(aRollout({ to: 2, from: 1 }), token)
    const done = { ...first, phase: 'Done', endState: 'all-new', endedAtMs: NOW } as const
    await memory.saveRollout(done, token)
    await memory.saveRollout(done, token)
    expect(await memory.rollouts(SHOP, 10)).toEqual([second, done])
    expect(await memory.rollouts(SHOP, 1)).toEqual([second])
    expect(await memory.rollouts(LOCAL, 10)).toEqual([])
    await expect(memory.saveRollout({ ...done, id: 99 }, token)).rejects.toMatchObject({ code: 'ROLLOUT_NOT_FOUND' })
  })

  it('keeps the receipt of a rollout; a second one takes its place', async () => {
    const { memory } = here()
    const token = await lease()
    await memory.saveReceipt(aReceipt(), token)
    await memory.saveReceipt(aReceipt({ cut: 1 }), token)
    expect(await memory.receipt(SHOP, 1)).toEqual(aReceipt({ cut: 1 }))
  })

  it('has everything again after it was closed and opened', async () => {
    const { place, memory } = here()
    const token = await lease()
    await memory.addRelease(aRelease(), token)
    const again = await place.open()
    try {
      expect(await again.releases(SHOP)).toEqual([{ ...aRelease(), revision: 1 }])
      expect((await again.addRelease(aRelease(), token)).revision).toBe(2)
    } finally {
      await again.close()
    }
  })
}

function events(here: Here): void {
  it('gives the events of an operation in order, and resumes after an id', async () => {
    const { memory } = here()
    await memory.appendEvents('op', [anEvent(1), anEvent(2)])
    await memory.appendEvents('op', [anEvent(3)])
    await memory.appendEvents('other', [anEvent(1, { operation: 'other' })])
    const ids = async (after: number) => (await memory.events('op', after)).map(({ id }) => id)
    expect(await ids(0)).toEqual([1, 2, 3])
    expect(await ids(2)).toEqual([3])
    expect(await ids(3)).toEqual([])
    expect((await memory.events('op', 0))[0]).toEqual(anEvent(1))
    expect(await memory.events('nothing', 0)).toEqual([])
  })

  it('keeps an event once when it is told twice', async () => {
    const { memory } = here()
    await memory.appendEvents('op', [anEvent(1), anEvent(2)])
    await memory.appendEvents('op', [anEvent(2), anEvent(3)])
    await memory.appendEvents('op', [])
    expect((await memory.events('op', 0)).map(({ id }) => id)).toEqual([1, 2, 3])
  })

  it('lists the operations of a scope, newest first, with their rollout', async () => {
    const { memory } = here()
    await memory.appendEvents('first', [anEvent(1), anEvent(2, { rollout: 7 }), anEvent(3)])
    await memory.appendEvents('second', [anEvent(1)])
    await memory.appendEvents('first', [anEvent(4)])
    await memory.appendEvents('elsewhere', [anEvent(1, { app: 'other' })])
    expect(await memory.operations(SHOP, 10)).toEqual([
      { operation: 'second', rollout: null },
      { operation: 'first', rollout: 7 },
    ])
    expect(await memory.operations(SHOP, 1)).toHaveLength(1)
  })

  it('takes thousands of events at once', async () => {
    const { memory } = here()
    await memory.appendEvents(
      'op',
      Array.from({ length: 5_000 }, (_, i) => anEvent(i + 1)),
    )
    expect((await memory.events('op', 4_998)).map(({ id }) => id)).toEqual([4_999, 5_000])
  })
}

function secrets(here: Here): void {
  const lease = async () => (await here().memory.acquireLease(SHOP, 'test', HOUR, NOW)).token

  it.each(['s3cret', '', '안녕 👋', 'line 1\nline 2\n', 'x'.repeat(64 * 1024), '__proto__'])(
    'gives back the value it was given (%#)',
    async (value) => {
      const { memory } = here()
      const entry = await memory.setSecret(SHOP, 'TOKEN', value, 'kim', NOW)
      expect(entry).toEqual({ name: 'TOKEN', version: 1, setAtMs: NOW, setBy: 'kim' })
      expect(await memory.openSecrets(SHOP, { TOKEN: 1 })).toEqual({ TOKEN: value })
    },
  )

  it('counts versions, lists the newest of each by name, and never a value', async () => {
    const { memory } = here()
    await memory.setSecret(SHOP, 'B', 'one', 'kim', NOW)
    await memory.setSecret(SHOP, 'A', 'two', 'kim', NOW)
    await memory.setSecret(SHOP, 'B', 'three', 'lee', NOW + 1)
    await memory.setSecret(LOCAL, 'C', 'four', 'kim', NOW)
    const list = await memory.secrets(SHOP)
    expect(list).toEqual([
      { name: 'A', version: 1, setAtMs: NOW, setBy: 'kim' },
      { name: 'B', version: 2, setAtMs: NOW + 1, setBy: 'lee' },
    ])
    expect(JSON.stringify(list)).not.toMatch(/one|two|three/)
    expect(await memory.openSecrets(SHOP, { A: 1, B: 1 })).toEqual({ A: 'two', B: 'one' })
  })

  it('keeps what a release pins after unset, and forgets it with the last release that does', async () => {
    const { memory } = here()
    const token = await lease()
    await memory.setSecret(SHOP, 'A', 'first', 'kim', NOW)
    const one = await memory.addRelease(aRelease({ secrets: { A: 1 } }), token)
    const two = await memory.addRelease(aRelease({ secrets: { A: 1 } }), token)
    expect(await memory.unsetSecret(SHOP, 'A')).toBe(true)
    expect(await memory.unsetSecret(SHOP, 'A')).toBe(false)
    expect(await memory.secrets(SHOP)).toEqual([])
    expect(await memory.openSecrets(SHOP, { A: 1 })).toEqual({ A: 'first' })
    await memory.deleteReleases(SHOP, [one.revision], token)
    expect(await memory.openSecrets(SHOP, { A: 1 })).toEqual({ A: 'first' })
    await memory.deleteReleases(SHOP, [two.revision], token)
    await expect(memory.openSecrets(SHOP, { A: 1 })).rejects.toMatchObject({ code: 'SECRET_NOT_FOUND' })
    expect((await memory.setSecret(SHOP, 'A', 'second', 'kim', NOW)).version).toBe(2)
  })

  it('keeps the current version when the releases that pin it are forgotten', async () => {
    const { memory } = here()
    const token = await lease()
    await memory.setSecret(SHOP, 'A', 'first', 'kim', NOW)
    const { revision } = await memory.addRelease(aRelease({ secrets: { A: 1 } }), token)
    await memory.deleteReleases(SHOP, [revision], token)
    expect(await memory.openSecrets(SHOP, { A: 1 })).toEqual({ A: 'first' })
  })

  it('forgets at once what is unset and pinned by nothing', async () => {
    const { memory } = here()
    await memory.setSecret(SHOP, 'A', 'first', 'kim', NOW)
    await memory.unsetSecret(SHOP, 'A')
    await expect(memory.openSecrets(SHOP, { A: 1 })).rejects.toMatchObject({ code: 'SECRET_NOT_FOUND' })
  })

  it('leaves the version before to a deploy that is on its way', async () => {
    const { memory } = here()
    const token = await lease()
    await memory.setSecret(SHOP, 'A', 'first', 'kim', NOW)
    await memory.setSecret(SHOP, 'A', 'second', 'kim', NOW)
    await memory.addRelease(aRelease({ secrets: { A: 1 } }), token)
    await memory.setSecret(SHOP, 'A', 'third', 'kim', NOW)
    await memory.setSecret(SHOP, 'A', 'fourth', 'kim', NOW)
    expect(await memory.openSecrets(SHOP, { A: 1 })).toEqual({ A: 'first' })
    await expect(memory.openSecrets(SHOP, { A: 2 })).rejects.toMatchObject({ code: 'SECRET_NOT_FOUND' })
  })

  it('refuses a release with a secret that is not there, and uses no number for it', async () => {
    const { memory } = here()
    const token = await lease()
    await expect(memory.addRelease(aRelease({ secrets: { A: 1 } }), token)).rejects.toMatchObject({
      code: 'SECRET_NOT_FOUND',
      message: 'shop/prod has no secret A (version 1)',
    })
    expect((await memory.addRelease(aRelease(), token)).revision).toBe(1)
    await expect(memory.openSecrets(SHOP, { A: 1 })).rejects.toMatchObject({ code: 'SECRET_NOT_FOUND' })
    expect(await memory.openSecrets(SHOP, {})).toEqual({})
  })

  it('does not open a secret of another scope', async () => {
    const { memory } = here()
    await memory.setSecret(SHOP, 'A', 'first', 'kim', NOW)
    await expect(memory.openSecrets(LOCAL, { A: 1 })).rejects.toMatchObject({ code: 'SECRET_NOT_FOUND' })
  })

  it('refuses a name that is no variable', async () => {
    const { memory } = here()
    await expect(memory.setSecret(SHOP, 'A B', 'x', 'kim', NOW)).rejects.toMatchObject({ code: 'NAME_INVALID' })
  })

  it('has no value in any stored byte, as it is or encoded (A10)', async () => {
    const { place, memory } = here()
    const canary = 'canary-4f1d9c-value-that-must-not-be-found'
    const token = await lease()
    for (let round = 0; round < 5; round++) await memory.setSecret(SHOP, 'A', canary, 'kim', NOW)
    await memory.addRelease(aRelease({ secrets: { A: 5 } }), token)
    await memory.unsetSecret(SHOP, 'A')
    const stored = place.storedBytes()
    expect(stored.includes('LOG_LEVEL')).toBe(true)
    for (const form of [
      canary,
      Buffer.from(canary).toString('base64').slice(0, 20),
      Buffer.from(canary).toString('hex'),
    ]) {
      expect(stored.includes(form)).toBe(false)
    }
  })
}

function processes(here: Here): void {
  const testing = fileURLToPath(new URL('./testing.ts', import.meta.url))

  /** Runs a function of testing.ts on this memory in a process of its own; each line that it says is given on. */
  const inChild = (
    does: 'writeForever' | 'tryLease',
    onLine: (line: string, kill: () => void) => void,
  ): Promise<unknown> => {
    const program = `import { ${does} } from ${JSON.stringify(testing)}
      import { writeSync } from 'node:fs'
      ${here().place.openInChild}
      await ${does}(memory, (text) => writeSync(1, text + '\\n'))`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    createInterface({ input: child.stdout }).on('line', (line) => onLine(line, () => child.kill('SIGKILL')))
    return new Promise((resolve) => child.once('close', resolve))
  }

  it('has every acknowledged write of a process that was killed in the middle (F14)', async () => {
    const { place, memory } = here()
    for (let round = 1; round <= 3; round++) {
      const acknowledged: number[] = []
      await inChild('writeForever', (line, kill) => {
        acknowledged.push(Number(line))
        if (acknowledged.length >= 25 * round) kill()
      })
      expect(acknowledged.length).toBeGreaterThanOrEqual(25 * round)
      const again = await place.open()
      try {
        const there = new Set((await again.releases(SHOP)).map(({ revision }) => revision))
        expect(acknowledged.filter((revision) => !there.has(revision))).toEqual([])
        const told = new Set((await again.events('op', 0)).map(({ id }) => id))
        expect(acknowledged.filter((revision) => !told.has(revision))).toEqual([])
      } finally {
        await again.close()
      }
      // The lease of the killed one runs out; who comes next gets a higher token.
      const next = await memory.acquireLease(SHOP, `after ${round}`, 1, Date.now() + HOUR)
      await memory.releaseLease(SHOP, next.token)
    }
  }, 90_000)

  it('gives one of several processes the lease (F5)', async () => {
    const answers: string[] = []
    await Promise.all(Array.from({ length: 5 }, () => inChild('tryLease', (line) => answers.push(line))))
    expect(answers.sort()).toEqual(['LEASE_HELD', 'LEASE_HELD', 'LEASE_HELD', 'LEASE_HELD', 'won 1'])
  }, 90_000)
}
