import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Platform } from '../model/descriptor.ts'
import type { Report } from '../model/event.ts'
import { systemClock } from '../os/system-clock.ts'
import type { AddOptions, AddSources } from './add/add-sources.ts'
import type { Builder, BuildRequest, BuildResult } from './builder.ts'
import { type BuildContext, openContext } from './context/build-context.ts'
import { readDirectives } from './dockerfile/directives.ts'
import { refuseFrontend } from './dockerfile/frontend.ts'
import { readDockerfile, type Stage, targetStage } from './dockerfile/stages.ts'
import type { StageImage } from './evaluate-stage.ts'
import type { FileEntry } from './image/file-entry.ts'
import { LayerCache } from './publish/layer-cache.ts'
import { BaseImages } from './base/base-images.ts'
import { SpooledContents } from './base/layer-content.ts'
import { publishImage } from './publish/publish-image.ts'
import { together } from './image/together.ts'
import { splitRecords } from './java/split-records.ts'
import { BuildProgress, StepNumbers } from './build-progress.ts'
import { NamedContexts } from './named-contexts.ts'
import { neededStages, refuseUnsupported } from './needed-stages.ts'
import { plannedImage } from './planned-image.ts'
import { publishIndex, refuseOtherPlatform, tellingPlatform } from './publish/publish-index.ts'
import { hostPlatform } from './platform.ts'
import type { Pruned } from './run/kept/prune-sandboxes.ts'
import { RunSandboxes, type SandboxOptions } from './run/run-sandboxes.ts'
import { readTrustedCa } from './run/trusted-ca.ts'
import { type StageBuild, StageBuilder } from './stage-builder.ts'
import { sweepTemporary, temporaryFolder } from './temporary-folder.ts'
import { BuildArgs, expander, globalVariables } from './variables.ts'

export type DockerfileBuilderOptions = SandboxOptions & AddOptions & { readonly cacheFolder: string }

export interface SweepingBuilder extends Builder {
  /** Removes what killed builds left. Before the first build of the only process that has this folder. */
  sweep(): Promise<void>
  /** Removes all that builds keep for the next ones, or tells what it would; null: builds run, so that everything stays. */
  prune(dryRun: boolean, signal: AbortSignal): Promise<Pruned | null>
}

/**
 * Builds images from Dockerfiles in this process: no daemon, no container, no tar on disk. `cacheFolder` (absolute, made
 * when needed) remembers what became of equal inputs; losing it costs time only. Several builds may share it.
 */
export function dockerfileBuilder(options: DockerfileBuilderOptions): SweepingBuilder {
  const { cacheFolder } = options
  const sandboxes = new RunSandboxes(join(cacheFolder, 'sandbox'), options)
  return {
    async sweep() {
      await rm(temporaryFolder(cacheFolder), { recursive: true, force: true })
      await sandboxes.sweep()
    },
    prune: (dryRun, signal) => sandboxes.prune(dryRun, signal),
    async build(request, report, signal) {
      await sweepTemporary(cacheFolder, systemClock.now())
      const contents = new SpooledContents(temporaryFolder(cacheFolder))
      const bases = new BaseImages(request.bases, signal)
      const adds = sandboxes.adds(options, async () => contents.ownFolder())
      let context: BuildContext | null = null
      try {
        context = await openContext(request.root, request, () => contents.ownFolder())
        const build = {
          request,
          cacheFolder,
          context,
          contents,
          bases,
          sandboxes,
          adds,
          report,
          numbers: new StepNumbers(),
        }
        return await sandboxes.during(() => buildPlatforms(build, request.platforms ?? [], signal))
      } finally {
        adds.close()
        context?.close()
        await bases.close()
        await contents.discard()
      }
    },
  }
}

interface Build {
  readonly request: BuildRequest
  readonly cacheFolder: string
  readonly context: BuildContext
  readonly contents: SpooledContents
  readonly bases: BaseImages
  readonly sandboxes: RunSandboxes
  readonly adds: AddSources
  readonly report: Report
  readonly numbers: StepNumbers
}

/** One image, or an index of one for each platform. Tags come last, and name the index. */
async function buildPlatforms(build: Build, platforms: readonly Platform[], signal: AbortSignal): Promise<BuildResult> {
  const [first = hostPlatform(), ...others] = platforms
  if (others.length === 0) return buildImage(build, first, signal)
  const destination = { ...build.request.destination, tags: [] }
  const request = { ...build.request, destination }
  const results: BuildResult[] = []
  for (const platform of platforms) {
    const report = tellingPlatform(platform, build.report)
    results.push(await buildImage({ ...build, request, report }, platform, signal))
  }
  const named = results.map(({ artifact }, at) => ({ ...artifact, platform: platforms[at] ?? first }))
  return publishIndex(named, results, build.request.destination, build.report, signal)
}

/** Reads, refuses, decides; only then packs and sends. */
async function buildImage(build: Build, platform: Platform, signal: AbortSignal): Promise<BuildResult> {
  const { request, cacheFolder, context, contents, bases, report } = build
  const args = new BuildArgs(request.args)
  // Before it is read: another language would be told as wrong instructions.
  const lines = context.dockerfile.split(/\r?\n/, 20)
  refuseFrontend(readDirectives(lines, request.dockerfile), request.dockerfile, lines, args.take('BUILDKIT_SYNTAX'))
  const dockerfile = readDockerfile(context.dockerfile, request.dockerfile)
  const target = targetStage(dockerfile, request.target)
  const epochSeconds = args.epochSeconds(request.epochSeconds)
  const globals = globalVariables(dockerfile, args, platform, { target: request.target, epochSeconds })
  const expand = expander(dockerfile.directives.escapeChar, (name) => globals.get(name))
  const contexts = new NamedContexts(request.contexts ?? {}, context, build.adds)
  const origins = { dockerfile, contexts, expand }
  const stages = neededStages(origins, target)
  for (const { instructions } of stages) for (const instruction of instructions) refuseUnsupported(instruction)
  const progress = new BuildProgress(dockerfile.stages.length > 1, build.numbers, report)
  const shared = { origins, context: context.files, args, globals, platform, bases, cacheFolder, contents, progress }
  const runs = build.sandboxes.steps(request, contents, await readTrustedCa(request, context))
  const evaluated = await evaluateAll(stages, target, { ...shared, runs, adds: build.adds }, signal)
  const { readText } = evaluated
  refuseOtherPlatform(evaluated.image.platform, platform, request)
  const records =
    request.split === 'java' ? await splitRecords(evaluated.image.records, readText) : evaluated.image.records
  const image = { ...evaluated.image, records }
  progress.evaluated(records)
  const unused = args.unused
  if (unused.length > 0) report({ kind: 'note', message: `no ARG takes the build arguments ${unused.join(', ')}` })
  const published = await publishImage(
    plannedImage(image, epochSeconds),
    {
      destination: request.destination,
      ...(request.compression === undefined ? {} : { compression: request.compression }),
      cache: new LayerCache(cacheFolder),
      contents,
      temporary: temporaryFolder(cacheFolder),
      report,
      layerDone: (index, cached, tookMs) => progress.layerDone(index, cached, tookMs),
    },
    signal,
  )
  return { ...published, images: bases.used }
}

/** All stages side by side: of those that fail the first one says why, and nothing runs on behind it. */
async function evaluateAll(
  stages: readonly Stage[],
  target: Stage,
  shared: StageBuild,
  signal: AbortSignal,
): Promise<{ readonly image: StageImage; readonly readText: (entry: FileEntry) => Promise<string> }> {
  let made: StageBuilder | null = null
  const builder = (abort: AbortSignal) => {
    made ??= new StageBuilder(shared, stages, abort)
    return made
  }
  const work = (stage: Stage) => (abort: AbortSignal) => builder(abort).evaluate(stage)
  const images = await together(signal, ...stages.map(work))
  const image = images[stages.indexOf(target)]
  if (image === undefined) throw new Error('a target is always needed')
  return { image, readText: (entry) => builder(signal).readText(entry) }
}
