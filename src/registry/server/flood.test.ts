import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { MEDIA_TYPES } from '../../model/descriptor.ts'
import { anImage, aRegistry } from '../testing.ts'

const MANIFEST = 1_000_000

/** A manifest that stops before its last byte; `finish` sends that. */
function slowManifest(host: string, at: number) {
  const [hostname, port] = host.split(':')
  const headers = { 'Content-Type': MEDIA_TYPES.imageManifest, 'Content-Length': MANIFEST }
  const request = http.request({
    hostname,
    port,
    method: 'PUT',
    path: `/v2/shop/manifests/v${at}`,
    headers,
    agent: false,
  })
  request.on('error', () => {})
  const answer = once(request, 'response').then(([response]) => {
    const { statusCode = 0, headers: told } = response as IncomingMessage
    ;(response as IncomingMessage).resume()
    return { status: statusCode, retryAfter: told['retry-after'] }
  })
  request.write(Buffer.alloc(MANIFEST - 1, ' '))
  return { answer, finish: () => request.end('x') }
}

describe('A14: a flood of large manifests', () => {
  it('takes no more memory than it may, refuses the rest, and hinders nobody else', async () => {
    await using registry = await aRegistry({ limits: { manifestsBytes: 5 * MANIFEST } })
    const flood = Array.from({ length: 20 }, (_, at) => slowManifest(registry.host, at))
    const answers: { status: number; retryAfter: string | undefined }[] = []
    for (const { answer } of flood) void answer.then((each) => answers.push(each))
    // Those that there is room for wait for their last byte.
    await expect.poll(() => answers.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(15)
    expect(new Set(answers.map(({ status, retryAfter }) => `${status} ${retryAfter}`))).toEqual(new Set(['429 1']))
    expect((await fetch(`http://${registry.host}/v2/`)).status).toBe(200)
    for (const { finish } of flood) finish()
    await Promise.all(flood.map(({ answer }) => answer))
    expect(answers.filter(({ status }) => status === 400).length).toBe(
      20 - answers.filter(({ status }) => status === 429).length,
    )
    // All that they had is free again.
    const { bytes, descriptor } = await anImage(registry.store, 'shop', {})
    const padded = Buffer.concat([bytes, Buffer.alloc(3 * MANIFEST, ' ')])
    const headers = { 'Content-Type': descriptor.mediaType }
    const put = await fetch(`http://${registry.host}/v2/shop/manifests/v1`, { method: 'PUT', headers, body: padded })
    expect(put.status).toBe(201)
  })
})
