import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { renderEvents } from '../harness/operation.ts'
import { Stage } from '../harness/stage.ts'

const CANARY = 'canary-5f0e1b77-value'
/** Where a program's own words are kept as it said them. */
const OWN_WORDS = /\/(logs|keeper)\//

describe('secrets (A10)', { timeout: 120_000 }, () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await Stage.open()
  })
  afterAll(async () => {
    expect(await stage.close()).toEqual([])
  })

  it('must be refused before anything is built when one is missing, by all their names', async () => {
    const app = await stage.app('missing')
    await app.commit('good', { secrets: ['TOKEN', 'OTHER'] })
    const ended = await stage.deploy(app)
    expect(ended).toMatchObject({ exit: 10, failures: [{ code: 'SECRETS_MISSING' }] })
    expect(ended.failures[0]?.message).toMatch(/TOKEN, OTHER/)
    expect(ended.events.filter(({ kind }) => kind === 'build')).toEqual([])
  })

  it('must reach the program as environment and file, and nobody else', async () => {
    const app = await stage.app('canary')
    await stage.setSecret(app, 'TOKEN', CANARY)
    await stage.setSecret(app, 'KEY', `${CANARY}-in-a-file`)
    const secrets = ['TOKEN', { name: 'KEY', file: '/run/key' }]
    const settings = { replicas: 1, secrets, env: { SECRET_FILE: '/run/key' } }
    await app.commit('good', settings)
    const first = await stage.deploy(app)
    expect(first, renderEvents(first.events)).toMatchObject({ exit: 0 })
    const seen = (await (await fetch(`${app.url}/secret`)).json()) as object
    expect(seen).toEqual({ env: CANARY, file: `${CANARY}-in-a-file` })
    await app.commit('good', settings)
    const second = await stage.deploy(app)
    expect(second).toMatchObject({ exit: 0, receipt: { secretsChanged: [] } })
    expect(filesWith(stage.folder, CANARY)).toEqual([])
    expect(argvsWith(CANARY)).toEqual([])
    expect(JSON.stringify([first, second, await stage.status(app), await stage.history(app)])).not.toContain(CANARY)
  })

  it('that a program writes into its last words must be in no event, record or receipt', async () => {
    const app = await stage.app('leaky')
    await stage.setSecret(app, 'TOKEN', CANARY)
    await app.commit('leaks', { replicas: 1, secrets: ['TOKEN'], rollout: { onFailure: 'hold' } })
    const ended = await stage.deploy(app)
    expect(ended, renderEvents(ended.events)).toMatchObject({ failures: [{ code: 'REPLICA_CRASHED' }] })
    expect(ended.failures[0]?.message).toContain('[redacted]')
    expect(JSON.stringify([ended, await stage.status(app), await stage.history(app)])).not.toContain(CANARY)
    expect(filesWith(stage.folder, CANARY).filter((path) => !OWN_WORDS.test(path))).toEqual([])
    await stage.run(app, 'stop')
  })
})

/** Every file below a folder that has the text in it: database pages, journals, blobs, ledgers, logs. */
function filesWith(folder: string, text: string): string[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return files
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => {
      try {
        return readFileSync(path).includes(text)
      } catch {
        return false // gone meanwhile
      }
    })
}

function argvsWith(text: string): string[] {
  const table = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8', maxBuffer: 2 ** 24 })
  return table.split('\n').filter((line) => line.includes(text))
}
