import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Happening } from '../../model/event.ts'
import { storeLayout } from '../../registry/store-layout.ts'
import type { BuildRequest } from '../builder.ts'
import { AMD, ARM } from '../base/testing-bases.ts'
import { dockerfileBuilder } from '../dockerfile-builder.ts'
import { aBuild, basesOf, never, readImage, type TestBuild } from '../testing.ts'
import { readDirectives } from '../dockerfile/directives.ts'
import { foreignFrontend } from '../dockerfile/frontend.ts'
import { chooseBuilder } from './choose-builder.ts'

const PATH = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
const find = (program: string) => PATH.map((folder) => join(folder, program)).find((path) => existsSync(path))
const isRoot = process.getuid?.() === 0
const FILES = {
  Dockerfile: 'FROM scratch AS one\nARG V=1\nLABEL v=$V\nCOPY a /app/a\nFROM one AS two\nCOPY b /b\n',
  a: 'A',
  b: 'B',
}

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'naru-tool-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Builds by a tool whose environment is given. */
function builderOf(build: TestBuild, env: Readonly<Record<string, string>>) {
  const own = dockerfileBuilder({ cacheFolder: build.cacheFolder })
  const builder = chooseBuilder(own, { cacheFolder: build.cacheFolder, env, storeLayout })
  return async (more: Partial<BuildRequest>) => {
    const happenings: Happening[] = []
    const request: BuildRequest = {
      ...{
        root: build.root,
        context: '.',
        dockerfile: 'Dockerfile',
        target: null,
        args: {},
        epochSeconds: 1_700_000_000,
      },
      bases: basesOf(build.store),
      destination: { store: build.store, repository: 'shop', tags: ['v1'] },
      ...more,
    }
    const result = await builder.build(request, (happening) => happenings.push(happening), never)
    return { ...result, happenings, image: await readImage(build.store, 'shop', 'v1') }
  }
}

/** A program of the test that stands for a tool. */
async function aTool(name: string, script: string): Promise<Record<string, string>> {
  await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`)
  await chmod(join(folder, name), 0o755)
  return { PATH: `${folder}:/usr/bin:/bin` }
}

const left = async ({ cacheFolder }: TestBuild) => readdir(join(cacheFolder, 'tmp')).catch(() => [])

describe.skipIf(find('buildah') === undefined || !isRoot)('buildah (left out without it, or root)', () => {
  it('builds, with its args and target, and its cache finds the same image again', { timeout: 120_000 }, async () => {
    await using build = await aBuild(FILES)
    await writeFile(
      join(folder, 'storage.conf'),
      `[storage]\ndriver = "vfs"\ngraphroot = "${folder}/graph"\nrunroot = "${folder}/run"\n`,
    )
    const env = {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      CONTAINERS_STORAGE_CONF: join(folder, 'storage.conf'),
      BUILDAH_ISOLATION: 'chroot',
    }
    const by = builderOf(build, env)
    const one = await by({ with: 'buildah', args: { V: '7' }, target: 'one' })
    expect(one.image.config.config?.Labels).toMatchObject({ v: '7' })
    expect(one.image.files['app/a']).toMatch(/ A$/)
    expect(one.image.files.b).toBeUndefined()
    expect(one.happenings.some((happening) => happening.kind === 'log' && happening.from === 'buildah')).toBe(true)
    const two = await by({ with: 'buildah', args: { V: '7' } })
    expect(two.image.files.b).toMatch(/ B$/)
    await expect(by({ with: 'buildah', platforms: [AMD, ARM] })).rejects.toMatchObject({ code: 'KEY_NOT_SUPPORTED' })
    const again = await by({ with: 'buildah', args: { V: '7' } })
    expect([again.artifact, again.sentBytes]).toEqual([two.artifact, 0])
    expect(await left(build)).toEqual([])
  })
})

const DOCKERD = find('dockerd')

describe.skipIf(DOCKERD === undefined || find('docker') === undefined || !isRoot)(
  'docker (left out without dockerd, docker or root)',
  () => {
    it('builds, its saved layers are compressed once, and the next time nothing is sent', {
      timeout: 180_000,
    }, async () => {
      await using build = await aBuild(FILES)
      const host = `unix://${folder}/d.sock`
      const args = ['--data-root', 'data', '--exec-root', 'exec', '--pidfile', 'pid'].map((arg) =>
        arg.startsWith('--') ? arg : join(folder, arg),
      )
      const rest = ['--host', host, '--iptables=false', '--ip6tables=false', '--bridge=none', '--storage-driver', 'vfs']
      const daemon = spawn(DOCKERD ?? '', [...args, ...rest], { stdio: 'ignore' })
      const ended = once(daemon, 'exit')
      try {
        const env = { PATH: process.env.PATH ?? '', HOME: folder, DOCKER_HOST: host }
        const answers = () => {
          if (daemon.exitCode !== null) throw new Error(`dockerd ended with ${daemon.exitCode}`)
          execFileSync('docker', ['version'], { env, stdio: 'ignore', timeout: 10_000 })
        }
        await vi.waitFor(answers, { timeout: 60_000, interval: 250 })
        const by = builderOf(build, env)
        const one = await by({ with: 'docker', args: { V: '7' } })
        expect(one.image.config.config?.Labels).toEqual({ v: '7' })
        expect([one.image.files['app/a'], one.image.files.b]).toEqual(['f 644 0:0 A', 'f 644 0:0 B'])
        const again = await by({ with: 'docker', args: { V: '7' } })
        expect([again.artifact, again.sentBytes]).toEqual([one.artifact, 0])
        expect(again.layers.every(({ cached }) => cached)).toBe(true)
        expect(await left(build)).toEqual([])
      } finally {
        daemon.kill('SIGTERM')
        await ended
      }
    })
  },
)

const BUILDKITD = find('buildkitd')

describe.skipIf(BUILDKITD === undefined || find('buildctl') === undefined || !isRoot)(
  'buildkit (left out without buildkitd, buildctl or root)',
  () => {
    it('builds by buildctl, also several platforms, with secrets and named contexts', {
      timeout: 180_000,
    }, async () => {
      const RUN = 'RUN --mount=type=secret,id=token ["/busybox", "cp", "/run/secrets/token", "/seen"]'
      await using build = await aBuild({
        Dockerfile: `FROM scratch AS one\nCOPY a /app/a\nCOPY --from=lib b /b\nFROM one AS two\nCOPY busybox /\n${RUN}\n`,
        a: 'A',
        'lib/b': 'B',
      })
      await copyFile('/bin/busybox', join(build.root, 'busybox'))
      const address = `unix://${folder}/b.sock`
      const worker = ['--containerd-worker=false', '--oci-worker-snapshotter=native', '--oci-worker-net=host']
      const daemon = spawn(BUILDKITD ?? '', ['--addr', address, '--root', join(folder, 'root'), ...worker], {
        stdio: 'ignore',
      })
      const ended = once(daemon, 'exit')
      try {
        const env = { PATH: process.env.PATH ?? '', HOME: folder, BUILDKIT_HOST: address }
        const answers = () => {
          if (daemon.exitCode !== null) throw new Error(`buildkitd ended with ${daemon.exitCode}`)
          execFileSync('buildctl', ['debug', 'workers'], { env, stdio: 'ignore', timeout: 10_000 })
        }
        await vi.waitFor(answers, { timeout: 60_000, interval: 250 })
        const by = builderOf(build, env)
        const asked = { with: 'buildkit', contexts: { lib: 'lib' } } as const
        const whole = await by({ ...asked, secrets: { token: 'canary-4711' } })
        expect(whole.image.files).toMatchObject({ 'app/a': 'f 644 0:0 A', b: 'f 644 0:0 B' })
        expect(whole.image.files.seen).toMatch(/ canary-4711$/)
        expect(JSON.stringify(whole.happenings)).not.toContain('canary')
        const again = await by({ ...asked, secrets: { token: 'canary-4711' } })
        expect([again.artifact, again.sentBytes]).toEqual([whole.artifact, 0])
        const destination = { store: build.store, repository: 'shop', tags: ['both'] }
        const both = await by({ ...asked, target: 'one', platforms: [AMD, ARM], destination })
        const index = await build.store.readManifest('shop', both.artifact.digest, never)
        expect(JSON.parse(Buffer.from(index?.bytes ?? []).toString())).toMatchObject({
          manifests: [{ platform: { architecture: 'amd64' } }, { platform: { architecture: 'arm64' } }],
        })
        expect(await left(build)).toEqual([])
      } finally {
        daemon.kill('SIGTERM')
        await ended
      }
    })
  },
)

describe('a tool', () => {
  it('that is missing is told, with what to do', async () => {
    await using build = await aBuild(FILES)
    const by = builderOf(build, { PATH: folder })
    for (const tool of ['docker', 'buildah', 'buildkit'] as const)
      await expect(by({ with: tool })).rejects.toMatchObject({
        code: 'BUILD_TOOL_MISSING',
        message: expect.stringContaining(tool),
      })
    expect(await left(build)).toEqual([])
  })

  it('that fails is told with its last lines, without the secrets in them', async () => {
    await using build = await aBuild(FILES)
    const env = await aTool('buildah', 'echo "$@" >&2; echo "token $NARU_SECRET_0" >&2; exit 3')
    const failed = builderOf(build, env)({ with: 'buildah', secrets: { NPM_TOKEN: 'canary-4711' } })
    await expect(failed).rejects.toMatchObject({
      code: 'BUILD_TOOL_FAILED',
      message: expect.stringMatching(
        /^buildah ended with 3:\nbuild --layers .*--secret id=NPM_TOKEN,env=NARU_SECRET_0 .*\ntoken \*\*\*$/s,
      ),
    })
    expect(await left(build)).toEqual([])
  })

  it('docker without buildx is refused where a build has secrets', async () => {
    await using build = await aBuild(FILES)
    const env = await aTool('docker', 'exit 1')
    await expect(builderOf(build, env)({ with: 'docker', secrets: { A: 'b' } })).rejects.toMatchObject({
      code: 'BUILD_TOOL_MISSING',
      message: expect.stringContaining('buildx'),
    })
  })

  it('buildctl leaves an image layout as a tar, which is stored as it is', async () => {
    await using build = await aBuild(FILES)
    const { OciLayout } = await import('../../registry/oci-layout.ts')
    const layout = join(folder, 'layout')
    await mkdir(layout)
    const made = await build.run({
      destination: { store: await OciLayout.open(layout), repository: 'x', tags: ['latest'] },
    })
    const env = await aTool(
      'buildctl',
      `case "$*" in --version) exit 0;; esac\nfor last in "$@"; do :; done\ntar -cf "\${last#*dest=}" -C ${layout} .`,
    )
    const found = await builderOf(build, env)({ with: 'buildkit' })
    expect(found.artifact).toEqual(made.artifact)
  })
})

describe('# syntax=', () => {
  it.each<[string, string | null]>([
    ['docker/dockerfile:1', null],
    ['docker.io/docker/dockerfile:1.7-labs', null],
    [`docker/dockerfile:1@sha256:${'0'.repeat(64)}`, null],
    ['docker/dockerfile-upstream:master', null],
    ['ghcr.io/reproducible/buildkit-nix', 'ghcr.io/reproducible/buildkit-nix'],
    ['docker/dockerfile-evil:1', 'docker/dockerfile-evil:1'],
    ['evil.io/docker/dockerfile:1', 'evil.io/docker/dockerfile:1'],
  ])('%s: foreign is %s', (syntax, foreign) => {
    expect(foreignFrontend(readDirectives([`# syntax=${syntax}`], 'Dockerfile'), undefined)).toBe(foreign)
  })

  it('of a language of its own is refused, and with auto handed to BuildKit', async () => {
    await using build = await aBuild({ Dockerfile: '# syntax=ghcr.io/x/nix\nanything\n' })
    const by = builderOf(build, { PATH: folder })
    await expect(by({})).rejects.toMatchObject({
      code: 'DOCKERFILE_NOT_SUPPORTED',
      hint: expect.stringContaining('with: auto'),
    })
    await expect(by({ with: 'auto' })).rejects.toMatchObject({ code: 'BUILD_TOOL_MISSING' })
    await build.write(FILES)
    expect((await by({ with: 'auto' })).image.files['app/a']).toBe('f 644 0:0 A')
  })
})
