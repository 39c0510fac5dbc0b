import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aBusyboxBuild, hasBusybox } from '../../../src/build/run/testing.ts'
import { writeTree, type TestBuild } from '../../../src/build/testing.ts'
import type { ImageConfig, ImageManifest } from '../../../src/model/descriptor.ts'
import { run } from '../../../src/os/run.ts'
import { copyImage } from '../../../src/registry/copy-image.ts'
import { OciLayout } from '../../../src/registry/oci-layout.ts'
import { CASES, type DockerfileCase } from './cases.ts'
import { type Flattened, flatten } from './flatten.ts'

const never = new AbortController().signal
const env = { PATH: process.env.PATH ?? '', HOME: '/root', LC_ALL: 'C.UTF-8' }
const call = async (program: string, ...args: readonly string[]) => {
  const { code, stderr, stdout } = await run(program, args, { env, timeoutMs: 120_000, signal: never })
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${code}\n${stdout}${stderr}`)
  return stdout
}
const has = (program: string) =>
  run(program, ['--version'], { env, timeoutMs: 20_000, signal: never }).then(
    ({ code }) => code === 0,
    () => false,
  )
const able = hasBusybox && process.geteuid?.() === 0 && (await has('buildah')) && (await has('umoci'))

interface Built {
  readonly files: Flattened
  readonly config: ImageConfig['config']
}

/** Mount points that buildah leaves in a layer where the image has none. BuildKit does not, and neither does Naru. */
const STUBS = ['dev', 'proc', 'sys', 'run', 'etc/hosts', 'etc/hostname', 'etc/resolv.conf']

/** What a reader of neither builder sees. */
async function read(layout: string, tag: string, root: string): Promise<Built> {
  await call('umoci', 'raw', 'unpack', '--image', `${layout}:${tag}`, root)
  const json = async <Value>(path: string) => JSON.parse(await readFile(join(layout, path), 'utf8')) as Value
  const index = await json<{ manifests: readonly { digest: string; annotations?: Record<string, string> }[] }>(
    'index.json',
  )
  const blob = (digest: string) => `blobs/${digest.replace(':', '/')}`
  const found = index.manifests.find(({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] === tag)
  const manifest = await json<ImageManifest>(blob(found?.digest ?? ''))
  const { config } = await json<ImageConfig>(blob(manifest.config.digest))
  return { files: await flatten(root), config }
}

describe.skipIf(!able)('Dockerfiles with RUN (needs root, busybox, buildah and umoci)', () => {
  let build: TestBuild
  const path = (name: string) => join(build.folder, name)
  const buildah = (...args: readonly string[]) =>
    call('buildah', '--root', path('storage'), '--runroot', path('run'), '--storage-driver', 'vfs', ...args)

  beforeAll(async () => {
    build = await aBusyboxBuild({})
    await copyImage(
      {
        from: { store: build.store, repository: 'busybox', reference: '1' },
        to: { store: await OciLayout.open(path('base-layout')), repository: 'busybox', tags: ['1'] },
        platform: null,
      },
      never,
    )
    const storage = `containers-storage:[vfs@${path('storage')}+${path('run')}]localhost/busybox:1`
    await call('skopeo', '--insecure-policy', 'copy', '-q', `oci:${path('base-layout')}:1`, storage)
  }, 120_000)
  afterAll(() => build[Symbol.asyncDispose]())

  const both = async ({ lines, files = {}, args = {} }: DockerfileCase, name: string) => {
    const root = path(`tree-${name}`)
    await mkdir(root)
    const whole =
      /^(FROM|ARG)/.test(lines[0] ?? '') && lines.some((line) => line.startsWith('FROM'))
        ? lines
        : ['FROM busybox:1', ...lines]
    await writeTree(root, { ...files, Dockerfile: `${whole.join('\n')}\n` })
    const ours = path(`ours-${name}`)
    const store = await OciLayout.open(ours)
    await build.run({ root, args, destination: { store, repository: 'x', tags: ['1'] } })
    const given = Object.entries(args).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`])
    await buildah(
      'bud',
      '--isolation',
      'chroot',
      '--format',
      'oci',
      '-q',
      '--pull=never',
      ...given,
      '-t',
      `localhost/${name}`,
      root,
    )
    await buildah('push', '-q', `localhost/${name}`, `oci:${path(`theirs-${name}`)}:1`)
    return {
      naru: await read(ours, '1', path(`root-ours-${name}`)),
      buildah: await read(path(`theirs-${name}`), '1', path(`root-theirs-${name}`)),
    }
  }

  const all = process.env.NARU_DOCKERFILES === 'all'
  const chosen = CASES.filter(({ always }) => all || always === true)
  it.each(chosen.map((one, index) => [one.name, one, `case${index}`] as const))(
    'gives what buildah gives: %s',
    async (_name, one, name) => {
      const { naru, buildah: theirs } = await both(one, name)
      const left = [...STUBS, ...Object.keys(one.butNot ?? {})]
      const without = (files: Flattened) =>
        Object.fromEntries(Object.entries(files).filter(([file]) => !left.includes(file)))
      expect(without(naru.files)).toEqual(without(theirs.files))
      expect(settings(naru.config)).toEqual(settings(theirs.config))
    },
    60_000,
  )
})

/** buildah adds a label of its own, and leaves out a working directory of `/`; the OCI format has no place for SHELL there. */
function settings(config: ImageConfig['config'] = {}) {
  const { Labels = {}, WorkingDir = '/', Shell: _, ...rest } = config
  const labels = Object.entries(Labels).filter(([name]) => name !== 'io.buildah.version')
  return { ...rest, WorkingDir: WorkingDir || '/', Labels: Object.fromEntries(labels) }
}
