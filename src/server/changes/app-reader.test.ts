import { describe, expect, it } from 'vitest'
import { anApp } from '../../deploy/testing.ts'
import type { EngineTraits } from '../../model/engine-traits.ts'
import { type AppRequest, appReader } from './app-reader.ts'

const traits: EngineTraits = {
  rollsItself: false,
  surges: true,
  replacement: 'TerminationStarted',
  ports: 'assigned',
  limits: [],
  remembers: true,
  accepts: [],
  refuses: [{ key: 'routes[].host', hint: 'Use an L7 router.' }],
}
const request = (text: string | null): AppRequest => ({
  file: text === null ? null : { text, name: 'naru.yaml' },
  folderName: 'shop',
  environment: null,
  source: { repository: '/repo', folder: '', ref: null },
  variables: {},
})
const reader = (text: string | null) => appReader(request(text), { name: 'embedded', traits })

describe('appReader', () => {
  it('names an app without a file after its folder, in the environment local', () => {
    expect(reader(null).front().app).toMatchObject({ app: 'shop', environment: 'local', engine: { kind: 'embedded' } })
  })

  it('takes what is deployed from the commit, and the file in front where the commit has none', () => {
    const read = reader('app: shop\nenv: { A: front }\n')
    const atCommit = read.atCommit('app: shop\nenv: { A: commit }\n')
    expect([atCommit.file, atCommit.app.env]).toEqual(['commit', { A: 'commit' }])
    const without = read.atCommit(null)
    expect([without.file, without.app.env]).toEqual(['front', { A: 'front' }])
  })

  it('refuses a wrong file in front by its place', () => {
    expect(() => reader('app: shop\nenvironment: {}\n').front()).toThrow(/environments|env/)
  })

  it('refuses what the engine cannot honour, by its key', () => {
    const text = 'app: shop\nroutes: [{ role: web, host: shop.example.com }]\n'
    expect(() => reader(text).front()).toThrow(/host/)
  })

  it('settles ports by the image', () => {
    const app = anApp()
    expect(reader(null).settle(app, { exposedPorts: [], healthcheck: null } as never).roles).toHaveLength(1)
  })
})
