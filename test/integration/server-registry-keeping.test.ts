import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { MEDIA_TYPES } from '../../src/model/descriptor.ts'
import { digestOf } from '../../src/registry/digest.ts'
import { CliStage } from './cli-stage.ts'
import { basic } from './served-registry.ts'

let stage: CliStage
afterEach(async () => expect(await stage.close()).toEqual([]))

const INDEX = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.imageIndex, manifests: [] }))
const [KEPT, LOOSE] = [Buffer.from('a layer'), Buffer.from('a layer of nobody')]

it('gc, scrub, usage, tags and rm work through a naru server that runs on the folder', async () => {
  stage = CliStage.open()
  const server = stage.start(['server', '--listen', '127.0.0.1:0'])
  const [, url = ''] = /serving on (\S+?),/.exec(await server.said('serving on http')) ?? []
  const headers = basic('naru', readFileSync(join(stage.data, 'token'), 'utf8').trim())
  const push = async (bytes: Buffer) => {
    const path = `${url}/v2/shop/blobs/uploads/?digest=${digestOf(bytes)}`
    expect((await fetch(path, { method: 'POST', headers, body: new Uint8Array(bytes) })).status).toBe(201)
    return { mediaType: MEDIA_TYPES.layerGzip, digest: digestOf(bytes), size: bytes.length }
  }
  const put = (tag: string, body: Buffer, mediaType: string) =>
    fetch(`${url}/v2/shop/manifests/${tag}`, {
      method: 'PUT',
      headers: { ...headers, 'Content-Type': mediaType },
      body: new Uint8Array(body),
    })
  const layer = await push(KEPT)
  const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.imageManifest, config: layer, layers: [layer] }
  expect((await put('v1', Buffer.from(JSON.stringify(manifest)), MEDIA_TYPES.imageManifest)).status).toBe(201)
  expect((await put('old', INDEX, MEDIA_TYPES.imageIndex)).status).toBe(201)
  await push(LOOSE)
  const registry = async (...args: readonly string[]) => {
    const { code, stdout } = await stage.naru(['registry', ...args])
    return { code, out: stdout }
  }

  expect((await registry('tags', 'shop')).out).toMatch(/^old .*\nv1 /m)
  expect(await registry('rm', 'shop:old')).toEqual({ code: 0, out: 'deleted shop:old\n' })
  // As if nothing had been used for two days.
  const then = Date.now() / 1000 - 2 * 86_400
  for (const entry of readdirSync(join(stage.data, 'registry'), { recursive: true, withFileTypes: true }))
    if (entry.isFile()) utimesSync(join(entry.parentPath, entry.name), then, then)
  expect((await registry('gc')).out).toMatch(/^0 tags, 1 manifests, 2 blobs, \d+ B freed\n$/)
  expect((await registry('usage')).out).toMatch(/^shop +1 /m)
  expect((await fetch(`${url}/v2/shop/blobs/${layer.digest}`, { headers })).status).toBe(200)
  const path = join(stage.data, 'registry/blobs/sha256', layer.digest.slice(7, 9), layer.digest.slice(7))
  writeFileSync(path, 'damaged')
  const scrubbed = await registry('scrub')
  expect(scrubbed.code).toBe(10)
  expect(scrubbed.out).toContain(`damaged: ${layer.digest}  in shop  lost`)
  expect((await fetch(`${url}/v2/shop/blobs/${layer.digest}`, { headers })).status).toBe(404)
  const user = await stage.naru(['registry', 'user', 'list'])
  expect(user.stderr).toContain('note: the server that works on this folder lets in its own token only')
  server.child.kill('SIGTERM')
  expect((await server.ended).code).toBe(0)
}, 120_000)
