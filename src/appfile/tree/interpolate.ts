import { DeployError } from '../../model/failure.ts'
import type { Problem } from '../problem.ts'
import { expandText, type Variables } from './expand-text.ts'
import { mapScalars, type MapNode, pathText, type TreeNode } from './placed-tree.ts'

/** Values may be large and many: together they may not grow a file beyond this. */
const MAX_GROWN = 1024 * 1024

export interface Interpolated {
  readonly tree: TreeNode
  /** Wrong uses of `$`. */
  readonly problems: readonly Problem[]
  /** Names that are not set and have no default. */
  readonly missing: readonly Problem[]
}

/** Replaces `${NAME}` and its forms in every value (never in a key). Throws APPFILE_TOO_LARGE only. */
export function interpolate(root: MapNode, variables: Variables): Interpolated {
  const problems: Problem[] = []
  const missing: Problem[] = []
  let grown = 0
  const tree = mapScalars(root, (scalar, path) => {
    if (typeof scalar.value !== 'string' || !scalar.value.includes('$')) return scalar
    const expanded = expandText(scalar.value, variables)
    for (const wrong of expanded.wrong) {
      const problem = { place: scalar.place, message: `${pathText(path)}: ${wrong.message}`, hint: wrong.hint }
      ;(wrong.kind === 'missing' ? missing : problems).push(problem)
    }
    grown += expanded.text.length
    if (grown > MAX_GROWN) throw grownTooLarge(scalar.place.file)
    return { ...scalar, value: expanded.text, text: expanded.text, variables: expanded.names }
  })
  return { tree, problems, missing }
}

function grownTooLarge(file: string): DeployError {
  return new DeployError('APPFILE_TOO_LARGE', `variables grow ${file} beyond ${MAX_GROWN} characters`, {
    hint: 'Give large content to the program as a file or a secret.',
  })
}

/** Names of the variables that a tree's values mention, sorted: what a caller has to send, and what a release records. */
export function variableNames(root: TreeNode): readonly string[] {
  const names = new Set<string>()
  mapScalars(root, (scalar) => {
    const mentioned = typeof scalar.value === 'string' ? expandText(scalar.value, {}).names : []
    for (const name of [...mentioned, ...scalar.variables]) names.add(name)
    return scalar
  })
  return [...names].sort()
}
