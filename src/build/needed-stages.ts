import type { DeployError } from '../model/failure.ts'
import { notSupported, type Place, syntaxError } from './dockerfile/place.ts'
import type { Instruction } from './dockerfile/instruction.ts'
import { type Dockerfile, findStage, type Stage } from './dockerfile/stages.ts'
import { checkRunFlags, mountOrigins } from './run/run-flags.ts'
import type { NamedContext, NamedContexts } from './named-contexts.ts'
import type { Expand } from './variables.ts'

/** Where a stage or a COPY takes its files from. */
export type Origin = { readonly kind: 'scratch' } | { readonly kind: 'stage'; readonly stage: Stage } | NamedContext

/** A Dockerfile with what the names in it mean. */
export interface Origins {
  readonly dockerfile: Dockerfile
  readonly contexts: NamedContexts
  /** Knows the global ARGs. */
  readonly expand: Expand
}

/** What FROM means: a context that was given, scratch, a stage above, or an image. */
export function stageOrigin({ dockerfile: { stages }, contexts, expand }: Origins, stage: Stage): Origin {
  const name = expand.one(stage.from.image, stage.from.place)
  if (name === '') {
    const hint = 'Give the ARG in it a default before the first FROM, or a value: --build-arg NAME=VALUE.'
    throw syntaxError(stage.from.place, `the image ${stage.from.image} is empty`, hint)
  }
  const given = contexts.find(name, stage.from.place)
  if (given !== null) return given
  if (name === 'scratch') return { kind: 'scratch' }
  const above = stages.slice(0, stage.index).findLast(({ from }) => from.name === name.toLowerCase())
  return above === undefined ? { kind: 'image', name } : { kind: 'stage', stage: above }
}

/**
 * What `--from=` means: a context that was given, a stage above by name or number, or an image. BuildKit's rules: no variables
 * are allowed in it, and the last stage of a name is meant wherever it stands, so one that is not above is never an image.
 */
export function copyOrigin(
  { dockerfile: { stages }, contexts }: Origins,
  below: number,
  from: string,
  place: Place,
): Origin {
  if (from.includes('$')) {
    const hint = 'Name a stage for it: ARG before the first FROM, then FROM $IMAGE AS name, then --from=name.'
    throw syntaxError(place, `--from=${from} may not have a variable`, hint)
  }
  const given = contexts.find(from, place)
  if (given !== null) return given
  const stage = findStage(stages, from)
  if (stage !== undefined && stage.index >= below) throw notAbove(from, stage, below, place)
  if (stage !== undefined) return { kind: 'stage', stage }
  if (from === 'scratch') return { kind: 'scratch' }
  if (!NUMBER.test(from)) return { kind: 'image', name: from }
  throw syntaxError(
    place,
    `there is no stage ${from} above`,
    'Stages count from 0; only those above can be copied from.',
  )
}

const NUMBER = /^[0-9]+$/

function notAbove(from: string, stage: Stage, below: number, place: Place): DeployError {
  const isNamed = !NUMBER.test(from)
  const message =
    stage.index === below
      ? `stage ${from} takes files from itself`
      : `stage ${from} begins at line ${stage.from.place.line}; it needs to be defined before the current stage`
  const hint = `Name a stage above${isNamed ? `; an image that is called so is meant with its tag: ${from}:latest` : ''}.`
  return syntaxError(place, message, hint)
}

/** The stages that a target needs, itself last, in the order of the file. Others are not built, whatever is in them. */
export function neededStages(origins: Origins, target: Stage): readonly Stage[] {
  const needed = new Set<Stage>()
  const visit = (stage: Stage) => {
    if (needed.has(stage)) return
    needed.add(stage)
    const copies = copyOrigins(origins, stage.index, stage.instructions)
    for (const origin of [stageOrigin(origins, stage), ...copies]) if (origin.kind === 'stage') visit(origin.stage)
  }
  visit(target)
  return [...needed].sort((a, b) => a.index - b.index)
}

/** What instructions copy or mount from, in a stage with that index. */
export function copyOrigins(origins: Origins, below: number, instructions: readonly Instruction[]): readonly Origin[] {
  return instructions.flatMap((one) => {
    if (one.kind === 'run') return mountOrigins(one).map((from) => copyOrigin(origins, below, from, one.place))
    return one.kind === 'copy' && one.from !== null ? [copyOrigin(origins, below, one.from, one.place)] : []
  })
}

/** Refuses what is read but not carried out, so that nothing is ever ignored. Throws DOCKERFILE_NOT_SUPPORTED at its place. */
export function refuseUnsupported(instruction: Instruction): void {
  const { place } = instruction
  if (instruction.kind === 'run') checkRunFlags(instruction)
  if (instruction.kind !== 'add' || !instruction.keepGitDir) return
  const hint = 'Leave the flag out: a repository inside an image is another one after each fetch.'
  throw notSupported(place, 'ADD --keep-git-dir is not carried out by this builder', hint)
}
