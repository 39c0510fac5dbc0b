import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { unpackTar } from 'modern-tar'
import type { ImageConfig, ImageManifest } from '../model/descriptor.ts'
import type { Happening } from '../model/event.ts'
import { DeployError } from '../model/failure.ts'
import { systemClock } from '../os/system-clock.ts'
import { namedImages } from '../registry/bases/named-images.ts'
import type { ContentStore } from '../registry/content-store.ts'
import { DiskStore } from '../registry/disk/disk-store.ts'
import type { BuildRequest, BuildResult, NamedImages } from './builder.ts'
import { dockerfileBuilder, type DockerfileBuilderOptions, type SweepingBuilder } from './dockerfile-builder.ts'

export const never = new AbortController().signal

/** A file's text, an executable one, or a link. */
export type TestFile = string | { readonly run: string } | { readonly link: string }

/** Writes a tree of files. */
export async function writeTree(root: string, files: Readonly<Record<string, TestFile>>): Promise<void> {
  for (const [name, file] of Object.entries(files)) {
    const path = join(root, name)
    await mkdir(dirname(path), { recursive: true })
    if (typeof file === 'string') await writeFile(path, file)
    else if ('link' in file) await symlink(file.link, path)
    else {
      await writeFile(path, file.run)
      await chmod(path, 0o755)
    }
  }
}

/** What an image holds, read by another tar reader than the builder's own code uses: path → `f 644 0:0 text`, `d 755 0:0` or `l target`. */
export interface TestImage {
  readonly config: ImageConfig
  readonly files: Readonly<Record<string, string>>
  readonly layers: readonly (readonly string[])[]
}

export async function readImage(store: ContentStore, repository: string, reference: string): Promise<TestImage> {
  const found = await store.readManifest(repository, reference, never)
  if (found === null) throw new Error(`no ${repository}:${reference}`)
  const manifest = JSON.parse(Buffer.from(found.bytes).toString()) as ImageManifest
  const blob = async (digest: string) => {
    const parts: Uint8Array[] = []
    for await (const part of await store.readBlob(repository, digest, never)) parts.push(part as Uint8Array)
    return Buffer.concat(parts)
  }
  const files: Record<string, string> = {}
  const layers: string[][] = []
  for (const { digest } of manifest.layers) {
    const names: string[] = []
    for (const { header, data } of await unpackTar(new Uint8Array(gunzipSync(await blob(digest))))) {
      const path = header.name.replace(/\/$/, '')
      const owner = `${((header.mode ?? 0) & 0o7777).toString(8)} ${header.uid}:${header.gid}`
      if (header.type === 'symlink') files[path] = `l ${header.linkname}`
      else files[path] = header.type === 'directory' ? `d ${owner}` : `f ${owner} ${Buffer.from(data ?? []).toString()}`
      names.push(path)
    }
    layers.push(names)
  }
  return { config: JSON.parse((await blob(manifest.config.digest)).toString()) as ImageConfig, files, layers }
}

/** Images of a store; no other registry can be reached. */
export const basesOf = (images: DiskStore): NamedImages =>
  namedImages({
    images,
    report: () => {},
    open: async (registry) => {
      throw new DeployError('REGISTRY_UNREACHABLE', `the registry ${registry} is none of this test`, { hint: '' })
    },
  })

/** Looks on while a build runs. */
export interface Watch {
  readonly signal: AbortSignal
  readonly tell: (happening: Happening) => void
}

export interface TestBuild extends AsyncDisposable {
  readonly folder: string
  readonly root: string
  readonly cacheFolder: string
  readonly store: DiskStore
  /** Writes more files into the tree. */
  write(files: Readonly<Record<string, TestFile>>): Promise<void>
  run(
    request?: Partial<BuildRequest>,
    watch?: Watch,
  ): Promise<BuildResult & { readonly happenings: readonly Happening[] }>
  /** Builds and reads the image that was pushed. */
  image(request?: Partial<BuildRequest>): Promise<TestImage>
  readonly prune: SweepingBuilder['prune']
}

/** The steps of a build that ended well. */
export const finishedSteps = (happenings: readonly Happening[]): readonly (Happening & { kind: 'build' })[] =>
  happenings.filter((one) => one.kind === 'build').filter(({ state }) => state === 'finished')

/** A tree to build, a real store, and an empty cache. */
export async function aBuild(
  files: Readonly<Record<string, TestFile>>,
  options: Omit<DockerfileBuilderOptions, 'cacheFolder'> = {},
): Promise<TestBuild> {
  const folder = await mkdtemp(join(tmpdir(), 'naru-build-'))
  const [root, cacheFolder] = [join(folder, 'root'), join(folder, 'cache')]
  await mkdir(root)
  await writeTree(root, files)
  const store = await DiskStore.open(join(folder, 'store'), systemClock)
  const builder = dockerfileBuilder({ ...options, cacheFolder })
  const run: TestBuild['run'] = async (request = {}, watch = { signal: never, tell: () => {} }) => {
    const happenings: Happening[] = []
    const report = (happening: Happening) => {
      happenings.push(happening)
      watch.tell(happening)
    }
    const whole: BuildRequest = {
      root,
      context: '.',
      dockerfile: 'Dockerfile',
      target: null,
      args: {},
      epochSeconds: 1_700_000_000,
      bases: basesOf(store),
      destination: { store, repository: 'shop', tags: ['v1'] },
      ...request,
    }
    return { ...(await builder.build(whole, report, watch.signal)), happenings }
  }
  return {
    folder,
    root,
    cacheFolder,
    store,
    write: (more) => writeTree(root, more),
    prune: (dryRun, signal) => builder.prune(dryRun, signal),
    run,
    image: async (request) => {
      const { artifact } = await run(request)
      const { repository = 'shop', store: into = store } = request?.destination ?? {}
      return readImage(into, repository, artifact.digest)
    },
    [Symbol.asyncDispose]: async () => {
      await store.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
