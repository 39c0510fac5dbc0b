import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OpenLoop } from '../harness/open-loop.ts'
import { renderEvents } from '../harness/operation.ts'
import { asked, Stage } from '../harness/stage.ts'
import type { TestApp } from '../harness/test-app.ts'

const CAUSES = ['STORE_CORRUPT', 'DIGEST_MISMATCH', 'IMAGE_NOT_FOUND', 'IMAGE_INVALID']

describe('content that was damaged in the store (F15)', { timeout: 120_000 }, () => {
  let stage: Stage
  let app: TestApp
  beforeAll(async () => {
    stage = await Stage.open()
    app = await stage.app('rot')
    await app.commit('good')
    expect(await stage.deploy(app)).toMatchObject({ exit: 0 })
  }, 120_000)
  afterAll(async () => {
    expect(await stage.close()).toEqual([])
  })

  /** Builds the next version without deploying it, and answers the digests of its manifest and of its last layer. */
  async function built(): Promise<{ manifest: string; layer: string }> {
    await app.commit('good')
    const body = { ...asked(app), dockerfile: null, args: {}, target: null, tags: [], output: null }
    const signal = AbortSignal.timeout(60_000)
    const { operation } = await stage.server.client.post<{ operation: string }>('/v1/builds', body, signal)
    const { end } = await stage.follow(operation)
    const manifest = end.digest ?? ''
    const { layers } = JSON.parse(readFileSync(blob(manifest), 'utf8')) as { layers: { digest: string }[] }
    return { manifest, layer: layers.at(-1)?.digest ?? '' }
  }

  const blob = (digest: string): string => {
    const [algorithm = '', hex = ''] = digest.split(':')
    return join(stage.server.folder, 'registry', 'blobs', algorithm, hex.slice(0, 2), hex)
  }

  function damage(digest: string): void {
    const bytes = readFileSync(blob(digest))
    const at = bytes.length >> 1
    bytes[at] = (bytes[at] ?? 0) ^ 1
    writeFileSync(blob(digest), bytes)
  }

  it.each(['layer', 'manifest'] as const)(
    'a %s: must never run, be told, and be made again by the next deploy',
    async (which) => {
      const { revision } = await stage.status(app)
      damage((await built())[which])
      const load = new OpenLoop(app.url, 50)
      const bad = await stage.deploy(app)
      const story = renderEvents(bad.events)
      if (bad.exit !== 0) {
        expect(
          bad.failures.map(({ code }) => code).some((code) => CAUSES.includes(code)),
          story,
        ).toBe(true)
        expect(await stage.status(app)).toMatchObject({ revision, rollout: null })
        const again = await stage.deploy(app)
        expect(again, renderEvents(again.events)).toMatchObject({ exit: 0, end: { endState: 'all-new' } })
      }
      expect(await load.stop(), story).toEqual([])
      const [newest] = await stage.history(app)
      const { version } = (await (await fetch(app.url)).json()) as { version: string }
      expect(newest?.subject).toBe(`${version} good`)
    },
  )
})
