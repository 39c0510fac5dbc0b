import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { BuildRequest } from '../../src/build/builder.ts'
import { dockerfileBuilder } from '../../src/build/dockerfile-builder.ts'
import { chooseBuilder } from '../../src/build/hand-over/choose-builder.ts'
import { aBuild, basesOf, never, readImage } from '../../src/build/testing.ts'
import type { Happening } from '../../src/model/event.ts'
import { storeLayout } from '../../src/registry/store-layout.ts'
import { type ImageStore, startBuildkit } from '../peers/buildkit.ts'
import { missingForBoth } from './both-builders.ts'

const missing = await missingForBoth()
const CANARY = 'naru-hand-over-canary'
const DOCKERFILE = [
  ...[
    'FROM scratch AS one',
    'ARG V=1',
    'LABEL v=$V',
    'COPY a /app/a',
    'FROM one',
    'COPY --from=lib b /b',
    'COPY busybox /',
  ],
  'RUN --network=none --mount=type=secret,id=token ["/busybox", "sh", "-c", "/busybox wc -c < /run/secrets/token > /seen"]',
]

describe.skipIf(missing !== null)(
  `a whole build by a real docker and buildx (left out without ${missing ?? 'nothing'})`,
  () => {
    it.each<ImageStore>(['containerd', 'classic'])(
      'has its secret and named context, and enters the registry, with the image store %s',
      async (imageStore) => {
        await using docker = await startBuildkit(imageStore)
        await using build = await aBuild({ Dockerfile: DOCKERFILE.join('\n'), a: 'A', 'lib/b': 'B' })
        await copyFile('/bin/busybox', join(build.root, 'busybox'))
        const own = dockerfileBuilder({ cacheFolder: build.cacheFolder })
        const builder = chooseBuilder(own, { cacheFolder: build.cacheFolder, env: docker.env, storeLayout })
        const happenings: Happening[] = []
        const request: BuildRequest = {
          ...{ root: build.root, context: '.', dockerfile: 'Dockerfile', target: null, args: { V: '7' } },
          ...{ epochSeconds: 1_700_000_000, with: 'docker', contexts: { lib: 'lib' }, secrets: { token: CANARY } },
          bases: basesOf(build.store),
          destination: { store: build.store, repository: 'shop', tags: ['v1'] },
        }
        await builder.build(request, (happening) => happenings.push(happening), never)
        const { files, config } = await readImage(build.store, 'shop', 'v1')
        expect(config.config?.Labels).toMatchObject({ v: '7' })
        expect([files['app/a'], files.b]).toEqual([expect.stringMatching(/ A$/), expect.stringMatching(/ B$/)])
        expect(files.seen).toMatch(new RegExp(` ${CANARY.length}\\s*$`))
        expect(JSON.stringify([files, config, happenings])).not.toContain(CANARY)
      },
      180_000,
    )
  },
)
