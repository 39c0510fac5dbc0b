import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { run } from '../../os/run.ts'
import { aFolder, anImage, aRegistry, never } from '../testing.ts'

const SKOPEO = '/usr/bin/skopeo'
const cleanups: AsyncDisposable[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup[Symbol.asyncDispose]()
})

async function skopeo(...args: string[]) {
  const env = { PATH: '/usr/bin:/bin', HOME: '/nonexistent', TMPDIR: '/tmp' }
  const result = await run(SKOPEO, args, { env, timeoutMs: 60_000, signal: never })
  expect(result.stderr + result.stdout).not.toMatch(/level=fatal/)
  expect(result.code).toBe(0)
  return result.stdout
}

describe.skipIf(!existsSync(SKOPEO))('skopeo (left out where it is not installed)', () => {
  it.each([false, true])(
    'copies out of the registry and into it again; digests stay (Docker types: %s)',
    async (docker) => {
      const registry = await aRegistry()
      const folder = await aFolder()
      cleanups.push(registry, folder)
      const { descriptor, layers } = await anImage(registry.store, 'team/shop', { tags: ['v1'], docker })
      const out = docker ? `dir:${join(folder.path, 'copy')}` : `oci:${join(folder.path, 'copy')}:v1`
      await skopeo('copy', '--src-tls-verify=false', `docker://${registry.host}/team/shop:v1`, out)
      if (!docker) {
        const blobs = await readdir(join(folder.path, 'copy', 'blobs', 'sha256'))
        for (const { digest } of layers) expect(blobs).toContain(digest.slice(7))
      }
      await skopeo(
        'copy',
        '--dest-tls-verify=false',
        '--preserve-digests',
        out,
        `docker://${registry.host}/other/place:v2`,
      )
      const found = await registry.store.readManifest('other/place', 'v2', never)
      expect(found?.descriptor.digest).toBe(descriptor.digest)
    },
  )

  it('copies from one repository to another, lists tags, inspects and deletes', async () => {
    const registry = await aRegistry({ token: 'let-me-in' })
    cleanups.push(registry)
    await anImage(registry.store, 'shop', { tags: ['v1'] })
    const at = (name: string) => `docker://${registry.host}/${name}`
    const login = 'naru:let-me-in'
    await skopeo(
      'copy',
      `--src-creds=${login}`,
      `--dest-creds=${login}`,
      '--src-tls-verify=false',
      '--dest-tls-verify=false',
      at('shop:v1'),
      at('copy:v9'),
    )
    const listed = JSON.parse(await skopeo('list-tags', `--creds=${login}`, '--tls-verify=false', at('copy')))
    expect(listed.Tags).toEqual(['v9'])
    await skopeo('delete', `--creds=${login}`, '--tls-verify=false', at('copy:v9'))
    expect(await registry.store.readManifest('copy', 'v9', never)).toBeNull()
  })
})
