import { nearest } from '../../lib/nearest.ts'
import { DeployError } from '../../model/failure.ts'
import type { FromInstruction, Instruction } from './instruction.ts'
import { parseDockerfile } from './parse-dockerfile.ts'
import type { Directives } from './directives.ts'
import { type Place, syntaxError } from './place.ts'
import { readInstruction } from './read-instruction.ts'

/** One FROM and the instructions up to the next one. */
export interface Stage {
  readonly index: number
  readonly from: FromInstruction & { readonly place: Place; readonly text: string }
  readonly instructions: readonly Instruction[]
}

export interface Dockerfile {
  readonly file: string
  readonly directives: Directives
  /** ARGs before the first FROM. */
  readonly globals: readonly Instruction[]
  readonly stages: readonly Stage[]
}

/** A whole Dockerfile with its stages. `file` is how messages name it. Throws DOCKERFILE_SYNTAX. */
export function readDockerfile(content: string, file: string): Dockerfile {
  const { directives, instructions } = parseDockerfile(content, file)
  const globals: Instruction[] = []
  const stages: { index: number; from: Stage['from']; instructions: Instruction[] }[] = []
  for (const raw of instructions) {
    const instruction = readInstruction(raw, directives.escapeChar)
    const current = stages.at(-1)
    if (instruction.kind === 'from') stages.push({ index: stages.length, from: instruction, instructions: [] })
    else if (current !== undefined) current.instructions.push(instruction)
    else if (instruction.kind === 'arg') globals.push(instruction)
    else throw syntaxError(raw.place, `${raw.keyword} stands before the first FROM`, 'Only ARG may stand before FROM.')
  }
  if (stages.length === 0) {
    throw syntaxError({ file, line: 1, column: 1 }, 'there is no FROM', 'Begin with FROM IMAGE, or FROM scratch.')
  }
  return { file, directives, globals, stages }
}

/** The stage of that name (any case) or number among `stages`, the last one of a name; undefined: none. */
export function findStage(stages: readonly Stage[], name: string): Stage | undefined {
  const lower = name.toLowerCase()
  return (
    stages.findLast((stage) => stage.from.name === lower) ?? (/^[0-9]+$/.test(name) ? stages[Number(name)] : undefined)
  )
}

/** The stage to build: the last one, or the one asked for. Throws BUILD_TARGET_NOT_FOUND. */
export function targetStage({ stages, file }: Dockerfile, target: string | null): Stage {
  const found = target === null ? stages.at(-1) : findStage(stages, target)
  if (found !== undefined) return found
  const names = stages.flatMap(({ from }) => from.name ?? [])
  const guess = nearest(target ?? '', names)
  throw new DeployError('BUILD_TARGET_NOT_FOUND', `${file} has no stage ${JSON.stringify(target)}`, {
    hint: guess === undefined ? `Its named stages: ${names.join(', ') || 'none'}.` : `Did you mean ${guess}?`,
    detail: { file, stages: stages.length },
  })
}
