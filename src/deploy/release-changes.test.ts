import { describe, expect, it } from 'vitest'
import { hasChanges, type Intended, releaseChanges } from './release-changes.ts'
import { anApp, aRelease } from './testing.ts'

const from = aRelease(1, anApp({ secrets: [{ name: 'A', file: null }] }), { secrets: { A: 1 } })
const same: Intended = { settings: from.settings, source: from.source, image: null, release: null }
const of = (more: Partial<Intended>, scale = {}, secrets: Record<string, number> = { A: 1 }) =>
  releaseChanges(from, scale, { ...same, ...more }, secrets)
const DIGEST = from.artifact.digest

describe('releaseChanges', () => {
  it('finds nothing in the same commit with the same settings, secrets and replicas', () => {
    expect(of({})).toEqual({ source: null, image: null, settings: [], secrets: [], replicas: [] })
    expect(hasChanges(of({}))).toBe(false)
  })

  it('takes another commit for another image, which is not built yet', () => {
    const source = { commit: 'c9', subject: 'nine' }
    expect(of({ source })).toMatchObject({
      source: { from: { commit: 'c1' }, to: source },
      image: { from: DIGEST, to: null },
    })
  })

  it.each<[string, Partial<Intended>, string | null]>([
    ['a name, whose content nobody knows yet', { image: 'base/node:24' }, 'base/node:24'],
    ['the digest that runs', { image: `shop@${DIGEST}` }, null],
    ['another revision', { release: aRelease(2) }, aRelease(2).artifact.digest],
    ['the revision that runs', { release: from }, null],
  ])('compares the image with %s', (_name, more, to) => {
    expect(of(more).image).toEqual(to === null ? null : { from: DIGEST, to })
  })

  it('names secrets: a new version, a new one, and one that is not used any more', () => {
    const names = (...all: string[]) => anApp({ secrets: all.map((name) => ({ name, file: null })) })
    expect(of({}, {}, { A: 2 }).secrets).toEqual([{ name: 'A', from: 1, to: 2 }])
    expect(of({ settings: names('B') }, {}, { A: 2, B: 5 }).secrets).toEqual([
      { name: 'A', from: 1, to: null },
      { name: 'B', from: null, to: 5 },
    ])
    // A revision brings its own versions back, whatever is newest.
    expect(of({ release: from }, {}, { A: 2 }).secrets).toEqual([])
  })

  it('tells the replicas that the file wants in place of what naru scale said', () => {
    expect(of({}, { web: 4 }).replicas).toEqual([{ role: 'web', from: 4, to: 2 }])
    expect(hasChanges(of({}, { web: 4 }))).toBe(true)
  })
})
