import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { type Descriptor, MEDIA_TYPES } from '../model/descriptor.ts'
import { serving } from '../registry/testing.ts'
import { AMD, anImageOf, anIndexOf, ARM } from './base/testing-bases.ts'
import { hostPlatform } from './platform.ts'
import { runsHere } from './run/emulation.ts'
import { aBusyboxBuild, failure, hasBusybox } from './run/testing.ts'
import { aBuild, never, readImage, type TestBuild } from './testing.ts'

const BOTH = [AMD, { os: 'linux', architecture: 'arm64' }]
const isRoot = process.getuid?.() === 0
const FOREIGN = hostPlatform().architecture === 'arm64' ? 'amd64' : 'arm64'

async function manifestsOf({ store }: TestBuild, digest: string): Promise<readonly Descriptor[]> {
  const found = await store.readManifest('shop', digest, never)
  expect(found?.descriptor.mediaType).toBe(MEDIA_TYPES.imageIndex)
  return (JSON.parse(Buffer.from(found?.bytes ?? []).toString()) as { manifests: Descriptor[] }).manifests
}

describe('an image for several platforms', () => {
  it('is an index of one for each, from the base image that fits, with ARGs of its own; the tag names the index', async () => {
    await using build = await aBuild({
      Dockerfile:
        'FROM base:1\nARG TARGETARCH\nARG BUILDARCH\nLABEL for=$TARGETARCH on=$BUILDARCH\nCOPY Dockerfile /d\n',
    })
    const amd = await anImageOf(build.store, 'base', [{ amd: '1' }], { platform: AMD })
    const arm = await anImageOf(build.store, 'base', [{ arm: '1' }], { platform: ARM })
    await anIndexOf(
      build.store,
      'base',
      [
        { ...arm, platform: ARM },
        { ...amd, platform: AMD },
      ],
      '1',
    )
    const { artifact } = await build.run({ platforms: BOTH })
    const manifests = await manifestsOf(build, artifact.digest)
    expect(manifests.map(({ platform }) => platform)).toEqual(BOTH)
    expect((await build.store.readManifest('shop', 'v1', never))?.descriptor.digest).toBe(artifact.digest)
    for (const [at, architecture] of ['amd64', 'arm64'].entries()) {
      const image = await readImage(build.store, 'shop', manifests[at]?.digest ?? '')
      expect(image.config).toMatchObject({
        architecture,
        config: { Labels: { for: architecture, on: hostPlatform().architecture } },
      })
      expect(Object.keys(image.files).sort()).toEqual([architecture === 'amd64' ? 'amd' : 'arm', 'd'].sort())
    }
    const again = await build.run({ platforms: BOTH })
    expect([again.artifact, again.sentBytes]).toEqual([artifact, 0])
  })

  it('of one platform is that image, and no index', async () => {
    await using build = await aBuild({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /d\n' })
    const { artifact } = await build.run({ platforms: [{ os: 'linux', architecture: 'riscv64' }] })
    expect(artifact.mediaType).toBe(MEDIA_TYPES.imageManifest)
    expect((await readImage(build.store, 'shop', 'v1')).config.architecture).toBe('riscv64')
  })

  it('is refused where a base image is there for one of them only, and no tag is set', async () => {
    await using build = await aBuild({ Dockerfile: 'FROM base:1\nCOPY Dockerfile /d\n' })
    await anImageOf(build.store, 'base', [{ amd: '1' }], { platform: AMD, tags: ['1'] })
    await expect(build.run({ platforms: BOTH })).rejects.toMatchObject({
      code: 'BUILD_BASE_NOT_FOUND',
      message: 'Dockerfile: the image for linux/arm64 stands on one for linux/amd64',
    })
    expect(await build.store.tags('shop', never)).toEqual([])
  })

  it.skipIf(!existsSync('/usr/bin/skopeo'))(
    'is read by skopeo, which picks its own (left out without skopeo)',
    async () => {
      await using build = await aBuild({
        Dockerfile: 'FROM scratch\nARG TARGETARCH\nLABEL for=$TARGETARCH\nCOPY Dockerfile /d\n',
      })
      await build.run({ platforms: BOTH })
      await using server = await serving(build.store)
      for (const architecture of ['amd64', 'arm64']) {
        const args = [
          'inspect',
          '--override-arch',
          architecture,
          '--tls-verify=false',
          `docker://${server.host}/shop:v1`,
        ]
        const { stdout } = await promisify(execFile)('skopeo', args)
        expect(JSON.parse(stdout)).toMatchObject({ Architecture: architecture, Labels: { for: architecture } })
      }
    },
  )
})

describe.skipIf(!hasBusybox || !isRoot)('RUN for another platform (needs busybox and root)', () => {
  it('works in a stage of the build platform, whose result goes into each image', async () => {
    const dockerfile = [
      'FROM --platform=$BUILDPLATFORM busybox:1 AS build',
      'ARG TARGETARCH',
      'RUN echo "made for $TARGETARCH" > /made',
      'FROM scratch',
      'COPY --from=build /made /made',
    ]
    await using build = await aBusyboxBuild({ Dockerfile: dockerfile.join('\n') })
    const { artifact } = await build.run({ platforms: BOTH })
    for (const { digest, platform } of await manifestsOf(build, artifact.digest)) {
      const { files } = await readImage(build.store, 'shop', digest)
      expect(files.made).toBe(`f 644 0:0 made for ${platform?.architecture}\n`)
    }
  })

  it.skipIf(runsHere({ os: 'linux', architecture: FOREIGN }))(
    'is refused with its line where no emulator is there (left out with one)',
    async () => {
      await using build = await aBuild({ Dockerfile: 'FROM base:1\nCOPY Dockerfile /d\nRUN ["/x"]\n' })
      const platform = { os: 'linux', architecture: FOREIGN }
      await anImageOf(build.store, 'base', [{ x: '1' }], { platform, tags: ['1'] })
      const failed = await failure(build, { platforms: [platform] })
      expect(failed).toMatchObject({ code: 'DOCKERFILE_NOT_SUPPORTED', detail: { line: 3 } })
      expect(failed.hint).toContain('qemu-user-static')
    },
  )
})
