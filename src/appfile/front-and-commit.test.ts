import { describe, expect, it } from 'vitest'
import { frontAndCommit } from './front-and-commit.ts'
import { readAppFile } from './read-app-file.ts'
import { resolveApp } from './resolve-app.ts'
import { plainOf } from './tree/placed-tree.ts'

const file = (text: string, name = 'naru.yaml') => readAppFile(`app: shop\n${text}`, name)

describe('the file in front of the user and that of the commit', () => {
  it('takes source and environments from the front and all else from the commit', () => {
    const front = file('replicas: 9\nsource: { ref: main }\nenvironments: { a: {} }')
    const commit = file('replicas: 2\nsource: { ref: old }\nenvironments: { b: {} }', 'naru.yaml@9f2c1ab')
    const { root, file: origin } = frontAndCommit(front, commit)
    expect(root && plainOf(root)).toEqual({
      app: 'shop',
      replicas: 2,
      source: { ref: 'main' },
      environments: { a: {} },
    })
    expect(origin).toBe('commit')
  })
  it('tells where the two differ, and which is used', () => {
    const { notes } = frontAndCommit(
      file('env: { A: 1, B: 2 }\nenvironments: { a: { replicas: 2 } }'),
      file('env: { A: 1, B: 3, C: 4 }\nenvironments: { a: { replicas: 1 } }'),
    )
    expect(notes).toEqual([
      'environments.a.replicas differs between the commit and the file in front of you: the file in front of you is used',
      "env.B, env.C differ between the commit and the file in front of you: the commit's value is used: commit the change to deploy it",
    ])
  })
  it('says nothing of equal files, wherever their lines stand', () => {
    const text = 'env: { A: 1 }\nsecrets: [B]\nroutes: [{ listen: 81 }]'
    expect(frontAndCommit(file(text), file(`# a line more\n${text}`)).notes).toEqual([])
  })
  it('lists some of many differences and counts the rest', () => {
    const many = Array.from({ length: 9 }, (_, index) => `A${index}: x`).join(', ')
    expect(frontAndCommit(file(''), file(`env: { ${many} }\nmigrate: { run: a }`)).notes[0]).toMatch(
      /^env, migrate differ/,
    )
    expect(frontAndCommit(file('env: {}'), file(`env: { ${many} }`)).notes[0]).toContain('env.A4 and 4 more differ')
  })
  it('takes the front where the commit has none, and says so', () => {
    const only = frontAndCommit(file('replicas: 2'), null)
    expect(only).toMatchObject({
      file: 'front',
      notes: ['the commit has no naru.yaml: the file in front of you is used'],
    })
    expect(frontAndCommit(file('replicas: 2'), undefined)).toMatchObject({ file: 'front', notes: [] })
  })
  it("takes the commit's where nothing is in front, and none where there is none", () => {
    expect(frontAndCommit(null, file(''))).toMatchObject({ file: 'commit', notes: [] })
    expect(frontAndCommit(null, null)).toEqual({ root: null, file: 'none', notes: [] })
  })
  it('names in messages and origins the file that a value stands in', () => {
    const front = file('environments: { local: { env: { A: front } } }')
    const commit = file('env: { B: commit }', 'naru.yaml@9f2c1ab')
    const { settings, app } = resolveApp({ front, commit, variables: {}, folderName: 'shop' })
    expect(app.env).toEqual({ B: 'commit', A: 'front' })
    const places = settings.flatMap(({ key, origin }) =>
      key.startsWith('env.') && origin.kind === 'file' ? [origin.place.file] : [],
    )
    expect(places).toEqual(['naru.yaml@9f2c1ab', 'naru.yaml'])
  })
})
