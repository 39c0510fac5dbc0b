import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { unpackArchives } from '../build/archive/unpack-archives.ts'
import { parseMemory } from '../appfile/schema/quantity.ts'
import { dockerfileBuilder, type SweepingBuilder } from '../build/dockerfile-builder.ts'
import { chooseBuilder } from '../build/hand-over/choose-builder.ts'
import { runHostCommand } from '../build/host-command.ts'
import { hostPlatform } from '../build/platform.ts'
import type { Workshop } from '../deploy/artifact/workshop.ts'
import type { Descriptor } from '../model/descriptor.ts'
import type { Report } from '../model/event.ts'
import { DeployError } from '../model/failure.ts'
import { fullReference, parseReference, type Reference } from '../model/reference.ts'
import { systemClock as clock } from '../os/system-clock.ts'
import type { ContentStore } from '../registry/content-store.ts'
import { copiesOf } from '../registry/bases/copy-name.ts'
import { namedImages } from '../registry/bases/named-images.ts'
import { openRegistry } from '../registry/client/open-registry.ts'
import { storeLayout } from '../registry/store-layout.ts'
import { copyImage } from '../registry/copy-image.ts'
import type { DiskStore } from '../registry/disk/disk-store.ts'
import { findManifest } from '../registry/find-manifest.ts'
import { OciLayout } from '../registry/oci-layout.ts'
import { readImage } from '../registry/read-image.ts'
import { gitSource } from '../source/git-source.ts'
import { gitUploads } from '../source/upload/git-uploads.ts'
import { dataPaths } from './data-folder.ts'

const HOST_COMMAND_MS = 60 * 60_000

export interface OpenWorkshop {
  readonly workshop: Workshop
  /** Empties what builds keep. */
  readonly builder: Pick<SweepingBuilder, 'prune'>
}

/** Source, build and registry of a data folder. What a killed server left of work trees and builds is removed. */
export async function openWorkshop(folder: string, images: DiskStore): Promise<OpenWorkshop> {
  const paths = dataPaths(folder)
  await rm(paths.work, { recursive: true, force: true })
  const source = gitSource({ cacheFolder: paths.mirrors, env: process.env })
  const own = dockerfileBuilder({
    ...{ cacheFolder: paths.buildCache, source, env: process.env },
    ...buildCacheLimit(process.env.NARU_BUILD_CACHE),
  })
  await own.sweep()
  const workshop: Workshop = {
    source,
    uploads: gitUploads({ cacheFolder: paths.mirrors, env: process.env }),
    builder: chooseBuilder(own, {
      cacheFolder: paths.buildCache,
      env: process.env,
      storeLayout,
    }),
    images,
    hostCommand: (tree, build, variables, report, signal) => {
      const environment = { ...process.env, ...variables }
      const command = {
        run: build.run ?? [],
        folder: tree,
        environment,
        allow: build.runEnv,
        timeoutMs: HOST_COMMAND_MS,
      }
      return runHostCommand(command, report, signal)
    },
    unpackArchives,
    async workTree(operation) {
      const path = join(paths.work, operation)
      await mkdir(path, { recursive: true, mode: 0o700 })
      return { path, remove: () => rm(path, { recursive: true, force: true }) }
    },
    namedImages: (report) => findImages(images, report),
    importImage: (reference, report, signal) => importImage(images, reference, report, signal),
    pinImage: (reference, report, signal) => pinImage(images, reference, report, signal),
    async exportImage(repository, artifact, reference, report, signal) {
      const to = parseReference(reference)
      const remote = await remoteStore(to)
      try {
        const { sentBytes } = await copyTo(
          images,
          repository,
          artifact,
          { store: remote, repository: to.repository, tags: [to.tag ?? 'latest'] },
          signal,
          await mountsAt(images, to, signal),
        )
        report({ kind: 'push', digest: artifact.digest, sentBytes, size: artifact.size })
      } finally {
        remote.close()
      }
    },
    async exportLayout(repository, artifact, layoutFolder, report, signal) {
      const store = await OciLayout.open(layoutFolder)
      const { sentBytes } = await copyTo(images, repository, artifact, { store, repository, tags: ['latest'] }, signal)
      report({ kind: 'push', digest: artifact.digest, sentBytes, size: artifact.size })
    },
    async readConfig(repository, artifact, signal) {
      return (await readImage(images, repository, artifact.digest, hostPlatform(), signal)).config
    },
  }
  return { workshop, builder: own }
}

/** What builds may keep on this machine: NARU_BUILD_CACHE. Throws USAGE_INVALID. */
function buildCacheLimit(asked: string | undefined): { mostBytes?: number } {
  if (asked === undefined || asked === '') return {}
  const found = parseMemory(asked)
  if ('amount' in found) return { mostBytes: found.amount }
  throw new DeployError('USAGE_INVALID', `NARU_BUILD_CACHE=${asked} is not an amount of at least 1Mi`, {
    hint: 'Write what builds may keep on disk as 50Gi or 500Mi; without it, it is 20Gi.',
  })
}

function copyTo(
  images: DiskStore,
  repository: string,
  artifact: Descriptor,
  to: { readonly store: ContentStore; readonly repository: string; readonly tags: readonly string[] },
  signal: AbortSignal,
  mountFrom: (digest: string) => Promise<readonly string[]> = async () => [],
) {
  const from = { store: images, repository, reference: artifact.digest }
  return copyImage({ from, to, platform: null, mountFrom }, signal)
}

/** Which repositories of a registry have a blob, as far as copies from there tell: its base images. */
async function mountsAt(images: DiskStore, to: Reference, signal: AbortSignal) {
  const { registry, repository } = fullReference(to)
  const prefix = copiesOf(registry)
  const copies = (await images.repositories()).filter((name) => name.startsWith(prefix) && name !== prefix + repository)
  return async (digest: string): Promise<readonly string[]> => {
    const found: string[] = []
    for (const name of copies) {
      if ((await images.statBlob(name, digest, signal)) !== null) found.push(name.slice(prefix.length))
    }
    return found.slice(0, MOST_MOUNTS)
  }
}

/** A registry that does not let us mount from one repository is not asked for many. */
const MOST_MOUNTS = 2

/** An image of the embedded registry as it is; any other one is copied into it first. */
async function importImage(
  images: DiskStore,
  reference: string,
  report: Report,
  signal: AbortSignal,
): ReturnType<Workshop['importImage']> {
  const named = findImages(images, report)
  try {
    const { name, digest, imageDigest, repository } = await named.find(reference, hostPlatform(), signal)
    const { descriptor } = await findManifest(images, repository, imageDigest, signal)
    const { mediaType, size } = descriptor
    return { repository, artifact: { mediaType, digest: imageDigest, size }, images: { [name]: digest } }
  } finally {
    await named.close()
  }
}

async function pinImage(images: DiskStore, reference: string, report: Report, signal: AbortSignal): Promise<string> {
  const named = findImages(images, report)
  try {
    return await named.pin(reference, hostPlatform(), signal)
  } finally {
    await named.close()
  }
}

const findImages = (images: DiskStore, report: Report) =>
  namedImages({ images, report, open: (registry) => openRegistry(registry, { clock, env: process.env }) })

async function remoteStore({ registry, repository }: Reference) {
  if (registry === null) {
    throw new DeployError('REFERENCE_INVALID', `${repository} names no registry to push to`, {
      hint: 'Write the registry in front: registry.example.com/team/shop. Images of the embedded registry need no push.',
    })
  }
  return openRegistry(registry, { clock, env: process.env })
}
