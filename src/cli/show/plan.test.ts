import { expect, it } from 'vitest'
import type { PlanBody } from '../../api/responses.ts'
import { planText } from './plan.ts'

const NONE = { source: null, image: null, settings: [], secrets: [], replicas: [] }
const commit = (first: string, subject: string) => ({ commit: first.padEnd(40, '0'), subject })

const aPlan = (more: Partial<PlanBody> = {}): PlanBody => ({
  app: 'shop',
  environment: 'prod',
  changes: NONE,
  ...commit('9f2c1ab', 'Faster'),
  from: 1,
  to: 2,
  isChanged: true,
  steps: [{ step: 'start web-2-1', cause: '1 of 3 missing' }],
  fewestAvailable: 2,
  replicas: 2,
  replicasBefore: 4,
  notes: [],
  fingerprint: { inputs: 'a', observed: 'b' },
  fixed: { ref: null, image: null, revision: null },
  ...more,
})

it('shows what changes by name, then the steps and the cost against what was wanted before', () => {
  const changes = {
    source: { from: commit('51c0a3f', 'Slower'), to: commit('9f2c1ab', 'Faster') },
    image: { from: `sha256:${'a'.repeat(64)}`, to: null },
    settings: [
      { path: 'env.A', from: null, to: '"1"' },
      { path: 'env.B', from: '"1"', to: null },
      { path: 'rollout.maxSurge', from: '"25%"', to: '1' },
      { path: 'roles.web.replicas', from: '3', to: '2' },
    ],
    secrets: [
      { name: 'NEW', from: null, to: 1 },
      { name: 'OLD', from: 3, to: null },
      { name: 'TOKEN', from: 1, to: 2 },
    ],
    replicas: [{ role: 'web', from: 4, to: 2 }],
  }
  expect(planText(aPlan({ changes }), 200).join('\n')).toMatchInlineSnapshot(`
    "shop (prod)  r1 → r2   9f2c1ab "Faster"

    changes
      image     sha256:aaaaaaaa… → built from 9f2c1ab
      source    51c0a3f "Slower" → 9f2c1ab "Faster"
      replicas  web 4 → 2
      secrets   NEW: new, version 1
      secrets   OLD: not used any more
      secrets   TOKEN: version 1 → 2
      settings  + env.A "1"
      settings  − env.B "1"
      settings  ~ rollout.maxSurge "25%" → 1

    steps
      1  start web-2-1  1 of 3 missing

    fewest available 2 of 4 on the way"
  `)
})

it('names the image that is deployed in place of a commit', () => {
  const changes = {
    ...NONE,
    source: { from: commit('51c0a3f', 'Slower'), to: { commit: null, subject: null } },
    image: { from: `sha256:${'a'.repeat(64)}`, to: 'base/node:24' },
  }
  expect(planText(aPlan({ changes, commit: null, subject: null }), 200).slice(2, 5)).toEqual([
    'changes',
    '  image   sha256:aaaaaaaa… → base/node:24',
    '  source  51c0a3f "Slower" → none: an image that is deployed as it is',
  ])
})

it('says so where nothing differs, where nothing runs, and where nothing would be done', () => {
  expect(planText(aPlan({ isChanged: false }), 200)[2]).toBe(
    'changes   none: nothing differs from what runs; a deploy would only restart it',
  )
  const first = planText(aPlan({ changes: null, from: null, steps: [], fewestAvailable: null }), 200)
  expect(first).toContain('changes   everything is new: nothing runs here now')
  expect(first).toContain('steps     none: nothing would be done')
  expect(first).toContain('nothing runs before; 2 wanted')
})
