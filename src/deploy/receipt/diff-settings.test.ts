import { describe, expect, it } from 'vitest'
import { anApp } from '../testing.ts'
import { changedSettings, diffSettings } from './diff-settings.ts'

describe('changedSettings', () => {
  it('names what is new, different and gone, sorted by path', () => {
    const from = anApp({ env: { A: '1', B: '2' } })
    const to = anApp({ env: { B: '3', C: '4' } })
    expect(changedSettings(from, to)).toEqual([
      { path: 'env.A', from: '"1"', to: null },
      { path: 'env.B', from: '"2"', to: '"3"' },
      { path: 'env.C', from: null, to: '"4"' },
    ])
    expect(diffSettings(from, to)).toEqual({ added: 2, removed: 1 })
  })

  it('compares roles by their name, wherever they stand', () => {
    const [web] = anApp().roles
    if (web === undefined) throw new Error('no role')
    const worker = { ...web, name: 'worker' }
    expect(changedSettings(anApp({ roles: [web, worker] }), anApp({ roles: [worker, web] }))).toEqual([])
  })

  it('leaves the source to its own line, and counts nothing for a first release', () => {
    const elsewhere = { kind: 'git', url: 'https://x', ref: null, folder: '', submodules: false } as const
    expect(changedSettings(anApp(), anApp({ source: elsewhere }))).toEqual([])
    expect(diffSettings(null, anApp())).toEqual({ added: 0, removed: 0 })
  })
})
