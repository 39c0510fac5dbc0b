import type { ImageConfig, Platform } from '../model/descriptor.ts'
import { DeployError } from '../model/failure.ts'
import type { AddSources } from './add/add-sources.ts'
import { copyFiles, makeFolders } from './copy/copy-files.ts'
import { type Owner, readOwner } from './copy/owner.ts'
import { makeCopy } from './copy/make-copy.ts'
import { failureAt, type Place } from './dockerfile/place.ts'
import type { CopyInstruction, Instruction, RunInstruction } from './dockerfile/instruction.ts'
import type { Added, Files } from './image/file-entry.ts'
import { AddedLayer, type Layer } from './image/layer.ts'
import { FileTree } from './image/file-tree.ts'
import type { LayerSource } from './base/read-layer.ts'
import { resolvePath } from './image/resolve-path.ts'
import { applySetting, type Settings, workingDir } from './image-settings.ts'
import type { RunLayer } from './run/kept/run-layer.ts'
import type { RunResult } from './run/kept/run-results.ts'
import { type RunStep, runStep } from './run/run-step.ts'
import type { Standing } from './run/run-steps.ts'
import { StageVariables } from './stage-variables.ts'
import { declareArgs, type BuildArgs, type Expand, expander } from './variables.ts'
import type { Escape } from './dockerfile/directives.ts'

/** What an instruction did: its layer, or null for a setting. */
export interface Record {
  readonly instruction: Instruction
  readonly layer: Layer | null
  /** Name of the part, where a layer was split by how often its files change (build/java). */
  readonly part?: string
}

/** An image as far as a stage has come: what it stands on, and what its instructions add. Nothing of it is packed yet. */
export interface StageImage {
  readonly platform: Platform
  /** The image that it stands on, for its platform; null: scratch. */
  readonly from: { readonly name: string; readonly digest: string } | null
  readonly base: readonly LayerSource[]
  readonly baseHistory: NonNullable<ImageConfig['history']>
  readonly author: string | null
  readonly settings: Settings
  readonly records: readonly Record[]
  /** What its ARGs were: a stage upon it has them too. */
  readonly variables: StageVariables
  /** The file system of the base alone. */
  readonly baseTree: () => Promise<FileTree>
  /** The file system; read from the base when somebody asks. The caller may not change it. */
  readonly tree: () => Promise<FileTree>
}

/** What the instructions of a stage may ask for. */
export interface Surroundings {
  readonly escapeChar: Escape
  readonly args: BuildArgs
  readonly globals: ReadonlyMap<string, string>
  readonly context: Files
  /** The files that `--from` names. */
  readonly filesOf: (from: string, instruction: Instruction) => Promise<Files>
  /** The text of a small file of an image; null: it is not there. */
  readonly readText: (tree: FileTree, path: string) => Promise<string | null>
  readonly proxies: BuildArgs['proxies']
  readonly adds: AddSources
  readonly signal: AbortSignal
  /** Around each instruction: tells how it goes. */
  readonly during: (instruction: Instruction, evaluate: () => Promise<void>) => Promise<void>
  /** Carries a RUN out, or finds what it did before. */
  readonly run: (instruction: Instruction, step: RunStep, standing: Standing) => Promise<RunResult>
}

/** Carries out the instructions of one stage upon what it starts from. Throws DOCKERFILE_*, BUILD_*. */
export async function evaluateStage(
  start: StageImage,
  instructions: readonly Instruction[],
  around: Surroundings,
): Promise<StageImage> {
  const stage = new Evaluation(start, around)
  for (const instruction of instructions) await around.during(instruction, () => stage.apply(instruction))
  return stage.image()
}

async function shown(tree: FileTree, layers: readonly RunLayer[]): Promise<FileTree> {
  for (const layer of layers) await layer.applyTo(tree)
  return tree
}

class Evaluation {
  readonly #start: StageImage
  readonly #around: Surroundings
  readonly #variables: StageVariables
  readonly #records: Record[] = []
  #settings: Settings
  #author: string | null
  #ownCommand = false
  #tree: Promise<FileTree> | null = null
  /** RUNs that the tree does not show yet. */
  readonly #behind: RunLayer[] = []

  constructor(start: StageImage, around: Surroundings) {
    this.#start = start
    this.#around = around
    this.#settings = start.settings
    this.#author = start.author
    this.#variables = new StageVariables(start.variables)
    this.#variables.setEnv(start.settings.Env ?? [], [])
  }

  image(): StageImage {
    const isBase = this.#tree === null && this.#behind.length === 0
    return {
      ...this.#start,
      author: this.#author,
      variables: this.#variables,
      settings: this.#settings,
      records: [...this.#start.records, ...this.#records],
      tree: isBase ? this.#start.tree : () => this.#ownTree(),
    }
  }

  async apply(instruction: Instruction): Promise<void> {
    const expand = this.#expand()
    const { args, globals } = this.#around
    if (instruction.kind === 'arg') {
      const declare = (name: string, value: string) => this.#variables.declare(name, value)
      declareArgs(instruction, declare, { args, expand, inherited: globals })
    }
    if (instruction.kind === 'maintainer') this.#author = instruction.value
    if (instruction.kind === 'cmd') this.#ownCommand = true
    const layer = await this.#made(instruction, expand)
    this.#settings = applySetting(instruction, { settings: this.#settings, expand, ownCommand: this.#ownCommand })
    if (instruction.kind === 'env') {
      const names = instruction.pairs.map(([name]) => expand.one(name, instruction.place))
      this.#variables.setEnv(this.#settings.Env ?? [], names)
    }
    this.#records.push({ instruction, layer })
  }

  async #made(instruction: Instruction, expand: Expand): Promise<Layer | null> {
    if (instruction.kind === 'run') return this.#run(instruction, expand)
    const added = await this.#added(instruction, expand)
    return added === null ? null : new AddedLayer(added)
  }

  async #run(instruction: RunInstruction, expand: Expand): Promise<Layer | null> {
    const { proxies, run, readText } = this.#around
    const step = runStep(instruction, {
      settings: this.#settings,
      variables: this.#variables.all(),
      proxies,
      expand: (word) => expand.one(word, instruction.place),
    })
    const layer = await run(instruction, step, {
      base: this.#start.base,
      baseTree: this.#start.baseTree,
      layers: [...this.#start.records, ...this.#records].flatMap((record) => record.layer ?? []),
      tree: () => this.#ownTree(),
      readText: async (path) => readText(await this.#ownTree(), path),
      filesOf: (from) =>
        from === null ? Promise.resolve(this.#around.context) : this.#around.filesOf(from, instruction),
    })
    if (layer !== null) this.#behind.push(layer)
    return layer
  }

  #added(instruction: Instruction, expand: Expand): Promise<Added | null> {
    if (instruction.kind === 'copy' || instruction.kind === 'add') return this.#copy(instruction, expand)
    if (instruction.kind === 'workdir') return this.#makeWorkingDir(instruction.value, instruction.place, expand)
    return Promise.resolve(null)
  }

  #expand(): Expand {
    return expander(this.#around.escapeChar, (name) => this.#variables.get(name))
  }

  /** What the stage shows by now. Nothing of it is read before somebody asks: most builds find what their RUNs did. */
  #ownTree(): Promise<FileTree> {
    const layers = this.#behind.splice(0)
    this.#tree ??= this.#start.tree().then((tree) => new FileTree(tree))
    if (layers.length > 0) this.#tree = this.#tree.then((tree) => shown(tree, layers))
    return this.#tree
  }

  async #makeWorkingDir(word: string, place: Place, expand: Expand): Promise<Added | null> {
    const value = expand.one(word, place)
    const tree = await this.#ownTree()
    const path = resolvePath(tree, workingDir(this.#settings, value))?.path
    if (path === undefined || (tree.at(path)?.type ?? 'directory') !== 'directory') {
      throw failureAt('BUILD_SOURCE_INVALID', place, `${value} is no folder in the image`, 'Choose another WORKDIR.')
    }
    if (tree.at(path) !== null) return null
    const added: Added = new Map()
    const owner = await this.#user(tree, place)
    makeFolders({ tree, added, place, owner, mode: 0o755 }, path)
    return added
  }

  /** Whom a folder of WORKDIR belongs to: the user of the image; root where nobody knows that one (BuildKit's rule). */
  async #user(tree: FileTree, place: Place): Promise<Owner | null> {
    const { User: user = '' } = this.#settings
    if (user === '') return null
    const read = (path: string) => this.#around.readText(tree, path)
    return readOwner(user, { read }, place).catch((failed: unknown) => {
      if (failed instanceof DeployError) return null
      throw failed
    })
  }

  async #copy(instruction: Instruction & CopyInstruction, expand: Expand): Promise<Added> {
    const { context, filesOf, readText, adds, signal } = this.#around
    const tree = await this.#ownTree()
    const copy = await makeCopy(instruction, {
      ...{ expand, context, adds, signal },
      filesOf: (from) => filesOf(from, instruction),
      users: { read: (path) => readText(tree, path) },
      workingDir: this.#settings.WorkingDir ?? '/',
    })
    // With --link the layer stands on its own: links and folders of the image below do not matter to it.
    const added = copyFiles(copy, instruction.link ? new FileTree() : tree)
    if (instruction.link) for (const [path, entry] of added) tree.set(path, entry)
    return added
  }
}
