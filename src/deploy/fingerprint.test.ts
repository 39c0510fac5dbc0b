import { describe, expect, it } from 'vitest'
import type { ObservedReplica } from '../model/observed.ts'
import { fingerprint } from './fingerprint.ts'
import { anApp, aReplica } from './testing.ts'

const desired = { revision: 1, scale: {}, paused: false, sets: [] }
const of = (more: {
  readonly commit?: string
  readonly replicas?: readonly ObservedReplica[]
  readonly secrets?: object
}) => {
  const { commit = 'c1', replicas = [aReplica('web-1-1'), aReplica('web-1-2')], secrets = { A: 1 } } = more
  const inputs = { app: anApp(), commit, image: null, secrets }
  return fingerprint(inputs, { desired, observed: { atMs: Math.random(), replicas } }, (text) => text)
}

describe('fingerprint', () => {
  it('is the same for the same, in whatever order it was observed and however long it runs', () => {
    const turned = [aReplica('web-1-2', { pid: 99 }), aReplica('web-1-1', { startedAtMs: 5 })]
    expect(of({ replicas: turned })).toEqual(of({}))
  })

  it('tells another commit and another version of a secret among the inputs', () => {
    expect(of({ commit: 'c2' }).inputs).not.toBe(of({}).inputs)
    expect(of({ secrets: { A: 2 } }).inputs).not.toBe(of({}).inputs)
    expect(of({ commit: 'c2' }).observed).toBe(of({}).observed)
  })

  it('tells a replica that is gone or not ready among what was observed', () => {
    expect(of({ replicas: [aReplica('web-1-1')] }).observed).not.toBe(of({}).observed)
    const unready = [aReplica('web-1-1'), aReplica('web-1-2', { ready: false })]
    expect(of({ replicas: unready }).observed).not.toBe(of({}).observed)
  })
})
