import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/os/system-clock.ts'
import { aGuardedRegistry } from '../../src/registry/access/testing.ts'
import { DiskStore } from '../../src/registry/disk/disk-store.ts'
import { anImage, never } from '../../src/registry/testing.ts'
import { CliStage, jsonLines } from './cli-stage.ts'
import { aServedRegistry } from './served-registry.ts'

describe('naru registry tags, rm and usage', () => {
  const stage = CliStage.open()
  const naru = (...args: string[]) => stage.naru(['registry', ...args])
  const json = async (...args: string[]) => jsonLines((await naru(...args, '-o', 'json')).stdout)
  let image: Awaited<ReturnType<typeof anImage>>
  beforeAll(async () => {
    const store = await DiskStore.open(join(stage.data, 'registry'), systemClock)
    image = await anImage(store, 'team/shop', { tags: ['1', '2', 'latest'] })
    await anImage(store, 'tools', { tags: ['1'] })
    await store.close()
  })
  afterAll(async () => {
    expect(await stage.close()).toEqual([])
  })

  const seen = async () => {
    expect(await json('tags')).toEqual([
      {
        repositories: [
          { repository: 'team/shop', tags: 3 },
          { repository: 'tools', tags: 1 },
        ],
      },
    ])
    const [{ tags = [] } = {}] = (await json('tags', 'team/shop')) as { tags?: { tag: string; digest: string }[] }[]
    expect(tags.map(({ tag, digest }) => [tag, digest])).toEqual(
      ['1', '2', 'latest'].map((tag) => [tag, image.descriptor.digest]),
    )
    const [usage] = (await json('usage')) as { repositories: { bytes: number }[]; bytes: number }[]
    expect(usage?.bytes).toBe(usage?.repositories.reduce((sum, { bytes }) => sum + bytes, 0))
    expect((await naru('usage')).stdout).toMatch(
      /^repository +tags +size\nteam\/shop +3 .*\n.*\n.* on the disk, 0 B of it could be freed\n$/,
    )
    expect((await naru('usage', 'team/shop')).stdout).toMatch(/^repository +tags +size\nteam\/shop +3 .*\n$/)
    expect(await naru('usage', 'shop')).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('no repository shop'),
    })
  }

  it('see the same whether the folder is served or not, and delete through whoever serves it', async () => {
    await seen()
    {
      await using served = await aServedRegistry(stage)
      await seen()
      expect(await naru('rm', 'team/shop:2')).toEqual({ code: 0, stdout: 'deleted team/shop:2\n', stderr: '' })
      const there = await fetch(`${served.url}/healthz`)
      expect(there.status).toBe(200)
    }
    expect((await naru('tags', 'team/shop')).stdout).toMatch(/^tag +digest +size +set\n1 .*\nlatest /)
    expect((await naru('rm', `team/shop@${image.descriptor.digest}`)).code).toBe(0)
    expect(await json('tags')).toEqual([
      {
        repositories: [
          { repository: 'team/shop', tags: 0 },
          { repository: 'tools', tags: 1 },
        ],
      },
    ])
  }, 90_000)

  it('work at a registry elsewhere with its login and its rights', async () => {
    await using registry = await aGuardedRegistry()
    await anImage(registry.store, 'team/shop', { tags: ['1', '2'] })
    await anImage(registry.store, 'secret/app', { tags: ['1'] })
    const token = await registry.change.addRobot('ci', [{ repositories: 'team/**', actions: ['pull', 'delete'] }], null)
    const at = `${registry.host}/team/shop`
    expect((await naru('tags', at)).stderr).toContain('REGISTRY_AUTH_FAILED')
    expect((await stage.naru(['login', registry.host, '-u', 'ci', '--password-stdin'], { input: token })).code).toBe(0)
    expect(await json('tags', registry.host)).toEqual([{ repositories: [{ repository: 'team/shop', tags: 2 }] }])
    expect((await json('usage', at))[0]).toMatchObject({ repositories: [{ repository: 'team/shop', tags: 2 }] })
    expect((await json('usage', registry.host))[0]).toMatchObject({
      repositories: [{ repository: 'team/shop', tags: 2 }],
    })
    expect((await naru('tags', at)).stdout).toMatch(/^tag +digest +size\n1 +sha256:[0-9a-f]{64} +\d.*\n2 .*\n$/)
    expect(await json('rm', `${at}:1`)).toEqual([{ deleted: `${at}:1` }])
    expect(await registry.store.tags('team/shop', never)).toEqual(['2'])
    expect((await naru('rm', `${registry.host}/secret/app:1`)).code).toBe(4)
    expect(await registry.store.tags('secret/app', never)).toEqual(['1'])
  })

  it.each([
    [['rm', 'team/shop'], 2, 'names a whole repository'],
    [['rm', 'tools:1', 'Team:1'], 2, 'is no image reference'],
    [['rm', 'tools:none'], 5, 'there is no tools:none'],
    [['tags', 'tools:1'], 2, 'this is about a repository'],
    [['tags', 'tolls'], 5, 'there is no repository tolls'],
    [['usage', '../x'], 2, 'REFERENCE_INVALID'],
  ])('refuse %j', async (args, code, message) => {
    const refused = await naru(...args)
    expect(refused.stderr).toContain(message)
    expect(refused.code).toBe(code)
    expect((await naru('tags', 'tools')).stdout).toContain('1 ')
  })
})
