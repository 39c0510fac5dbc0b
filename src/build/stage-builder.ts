import { availableParallelism } from 'node:os'
import type { Platform } from '../model/descriptor.ts'
import type { AddSources } from './add/add-sources.ts'
import type { Instruction } from './dockerfile/instruction.ts'
import { parseDockerfile } from './dockerfile/parse-dockerfile.ts'
import { notSupported, type Place, syntaxError } from './dockerfile/place.ts'
import { readInstruction } from './dockerfile/read-instruction.ts'
import type { Stage } from './dockerfile/stages.ts'
import { evaluateStage, type StageImage, type Surroundings } from './evaluate-stage.ts'
import { applyListing } from './base/apply-listing.ts'
import type { Content, FileEntry, Files } from './image/file-entry.ts'
import { FileTree } from './image/file-tree.ts'
import type { SpooledContents } from './base/layer-content.ts'
import { listLayer } from './base/layer-listing.ts'
import type { BaseImage, BaseImages } from './base/base-images.ts'
import { resolvePath } from './image/resolve-path.ts'
import type { BuildProgress } from './build-progress.ts'
import { SCRATCH_SETTINGS } from './image-settings.ts'
import { copyOrigin, copyOrigins, type Origins, refuseUnsupported, stageOrigin } from './needed-stages.ts'
import { parsePlatform } from './platform.ts'
import { refuseForeignRun } from './run/emulation.ts'
import { Slots } from './publish/slots.ts'
import type { RunSteps } from './run/run-steps.ts'
import { StageVariables } from './stage-variables.ts'
import type { BuildArgs } from './variables.ts'

/** What the stages of one build share. */
export interface StageBuild {
  readonly origins: Origins
  readonly context: Files
  readonly args: BuildArgs
  readonly globals: ReadonlyMap<string, string>
  readonly platform: Platform
  readonly bases: BaseImages
  readonly cacheFolder: string
  readonly contents: SpooledContents
  readonly runs: RunSteps
  readonly adds: AddSources
  readonly progress: BuildProgress
}

/** Stages at a time, where there is one CPU: most wait for a network. */
const LEAST_AT_ONCE = 2

/** User databases are read whole; larger ones are none. */
const MOST_TEXT_BYTES = 8 * 2 ** 20

/** A stage that is about to be built: what it stands on, and all that is to be done upon it. */
interface Begun {
  readonly start: StageImage
  readonly instructions: readonly Instruction[]
  /** It stands on an image, not on another stage, a folder or nothing. */
  readonly onImage: boolean
}

/** Evaluates stages, each once: it may stand on, or copy from, those above it and images. Several go side by side. */
export class StageBuilder {
  readonly #build: StageBuild
  readonly #signal: AbortSignal
  readonly #slots = new Slots(Math.max(availableParallelism(), LEAST_AT_ONCE))
  readonly #images = new Map<Stage, Promise<StageImage>>()
  readonly #trees = new Map<string, Promise<FileTree>>()

  /** Begins at once to bring the images that these stages stand on. */
  constructor(build: StageBuild, stages: readonly Stage[], signal: AbortSignal) {
    this.#build = build
    this.#signal = signal
    this.#begin(stages)
  }

  /** The image of a stage. Those that it needs are built first, and wait for nobody who waits for them. */
  evaluate(stage: Stage): Promise<StageImage> {
    const known = this.#images.get(stage)
    if (known !== undefined) return known
    const image = this.#evaluate(stage)
    this.#images.set(stage, image)
    return image
  }

  async #evaluate(stage: Stage): Promise<StageImage> {
    const { start, instructions, onImage } = await this.#start(stage)
    this.#build.progress.enter(stage, onImage, instructions)
    for (const instruction of instructions) refuseUnsupported(instruction)
    const needed = copyOrigins(this.#build.origins, stage.index, instructions)
    await Promise.all(needed.flatMap((origin) => (origin.kind === 'stage' ? [this.evaluate(origin.stage)] : [])))
    return this.#slots.during(() => {
      this.#signal.throwIfAborted()
      return evaluateStage(start, instructions, this.#surroundings(stage, start.platform))
    })
  }

  #begin(stages: readonly Stage[]): void {
    const names = stages.flatMap((stage) => {
      const origin = stageOrigin(this.#build.origins, stage)
      return origin.kind === 'image' ? { name: origin.name, platform: this.#platform(stage) } : []
    })
    this.#build.bases.begin(names)
  }

  async #start(stage: Stage): Promise<Begun> {
    const { instructions } = stage
    const platform = this.#platform(stage)
    const origin = stageOrigin(this.#build.origins, stage)
    if (origin.kind === 'stage') return begunOn(await this.evaluate(origin.stage), stage)
    if (origin.kind === 'scratch') return { start: scratch(this.#build.platform), instructions, onImage: false }
    if (origin.kind === 'tree') {
      const whole = [wholeContext(stage, origin.name), ...instructions]
      return { start: scratch(platform), instructions: whole, onImage: false }
    }
    const image = await this.#build.bases.find(origin.name, platform, stage.from.place)
    const { OnBuild = [], ...settings } = image.config.config ?? {}
    const start: StageImage = {
      platform: imagePlatform(image),
      from: { name: image.name, digest: image.imageDigest },
      base: image.layers,
      baseHistory: image.config.history ?? [],
      author: image.config.author ?? null,
      settings,
      records: [],
      variables: new StageVariables(),
      baseTree: () => this.#tree(image),
      tree: () => this.#tree(image),
    }
    const triggers = OnBuild.map((text) => readTrigger(text, origin.name))
    return { start, instructions: [...triggers, ...instructions], onImage: true }
  }

  #platform(stage: Stage): Platform {
    const { platform, place } = stage.from
    const text = platform === null ? '' : this.#build.origins.expand.one(platform, place)
    if (platform !== null && platform !== '' && text === '') {
      throw syntaxError(place, `--platform=${platform} is empty`, 'Give the ARG in it a value, or leave the flag out.')
    }
    if (text === '') return this.#build.platform
    const found = parsePlatform(text)
    if (found === null) throw syntaxError(place, `--platform=${text} is no platform`, 'Write --platform=linux/amd64.')
    if (found.os === 'linux') return found
    throw notSupported(
      place,
      `images for ${found.os} are not built here`,
      'Write --platform=linux/amd64, or leave it out.',
    )
  }

  /** The file system of an image; read once, however many stages use it. */
  #tree(image: BaseImage): Promise<FileTree> {
    const key = image.layers.map(({ diffId }) => diffId).join()
    const known = this.#trees.get(key)
    if (known !== undefined) return known
    const tree = this.#readTree(image)
    this.#trees.set(key, tree)
    return tree
  }

  async #readTree(image: BaseImage): Promise<FileTree> {
    const tree = new FileTree()
    for (const source of image.layers) {
      applyListing(tree, await listLayer(source, this.#build.cacheFolder, this.#signal), source)
    }
    return tree
  }

  #surroundings(stage: Stage, platform: Platform): Surroundings {
    const { origins, args, globals, context } = this.#build
    return {
      escapeChar: origins.dockerfile.directives.escapeChar,
      args,
      globals,
      context,
      filesOf: (from, { place }) => this.#filesOf(stage, from, place),
      readText: (tree, path) => this.#readText(tree, path),
      proxies: args.proxies,
      adds: this.#build.adds,
      signal: this.#signal,
      during: (instruction, evaluate) => this.#build.progress.during(instruction, this.#signal, evaluate),
      run: (instruction, step, standing) => {
        refuseForeignRun(platform, instruction.place)
        return this.#build.runs.run(step, standing, this.#build.progress.ofRun(instruction), this.#signal)
      },
    }
  }

  async #filesOf(stage: Stage, from: string, place: Place): Promise<Files> {
    const origin = copyOrigin(this.#build.origins, stage.index, from, place)
    if (origin.kind === 'stage') return (await this.evaluate(origin.stage)).tree()
    if (origin.kind === 'scratch') return new FileTree()
    if (origin.kind === 'tree') return this.#build.origins.contexts.files(origin.name, place, this.#signal)
    return this.#tree(await this.#build.bases.find(origin.name, this.#build.platform, place))
  }

  async #readText(tree: FileTree, path: string): Promise<string | null> {
    const entry = tree.at(resolvePath(tree, path)?.path ?? path)
    return entry?.type === 'file' ? this.#textOf(entry.content) : null
  }

  /** The text of a file, '' for anything else and for what is too large to be one. */
  async readText(entry: FileEntry): Promise<string> {
    return entry.type === 'file' ? ((await this.#textOf(entry.content)) ?? '') : ''
  }

  async #textOf(content: Content): Promise<string | null> {
    await this.#build.contents.prepare([content], this.#signal)
    return content.size > MOST_TEXT_BYTES ? null : Buffer.concat([...content.chunks()]).toString('utf8')
  }
}

/** FROM a folder: all of it, as one layer. */
function wholeContext({ from: { place } }: Stage, name: string): Instruction {
  const raw = { keyword: 'COPY', flags: [`--from=${name}`], rest: '. /', heredocs: [], place, lastLine: place.line }
  return readInstruction({ ...raw, text: `COPY --from=${name} . /` }, '\\')
}

/** Triggers of a stage run in the one that stands on it, and end there, as those of an image. */
function begunOn(below: StageImage, { from, instructions }: Stage): Begun {
  const { OnBuild = [], ...settings } = below.settings
  const triggers = OnBuild.map((text) => readTrigger(text, from.image))
  return { start: { ...below, settings }, instructions: [...triggers, ...instructions], onImage: false }
}

function scratch(platform: Platform): StageImage {
  return {
    platform,
    from: null,
    base: [],
    baseHistory: [],
    author: null,
    settings: SCRATCH_SETTINGS,
    records: [],
    variables: new StageVariables(),
    baseTree: () => Promise.resolve(new FileTree()),
    tree: () => Promise.resolve(new FileTree()),
  }
}

function imagePlatform({ config: { os, architecture, variant } }: BaseImage): Platform {
  return variant === undefined ? { os, architecture } : { os, architecture, variant }
}

/** An ONBUILD trigger of a base image; its place names the image. */
function readTrigger(text: string, image: string): Instruction {
  const file = `ONBUILD of ${image}`
  const { instructions, directives } = parseDockerfile(text, file)
  const [raw] = instructions
  if (raw === undefined)
    throw syntaxError({ file, line: 1, column: 1 }, 'the trigger is empty', 'Use another base image.')
  return readInstruction(raw, directives.escapeChar)
}
