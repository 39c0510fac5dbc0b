import { DeployError, type FailureCode } from '../model/failure.ts'
import { type MapNode, nearestNode, type Path, pathText, type Place, placeText } from './tree/placed-tree.ts'

/** One thing that is wrong with a file, and where. */
export interface Problem {
  readonly place: Place
  /** A whole clause: "rollout.maxSurge: expected …, got …". Never a variable's value. */
  readonly message: string
  readonly hint: string
}

/** A problem at a path of the file; `what` completes "key: …". */
export function problemAt(root: MapNode, path: Path, what: string, hint: string): Problem {
  return { place: nearestNode(root, path).place, message: `${pathText(path)}: ${what}`, hint }
}

const SHOWN = 20

/** Throws one error that names every problem: the first in its message, all of them in its hint. Returns when there are none. */
export function refuseProblems(problems: readonly Problem[], code: FailureCode = 'APPFILE_INVALID'): void {
  const sorted = distinct(problems).sort(
    (a, b) => a.place.line - b.place.line || a.place.column - b.place.column || a.message.localeCompare(b.message),
  )
  const [first, ...more] = sorted
  if (first === undefined) return
  const others = more.length === 0 ? '' : ` (and ${more.length} more)`
  throw new DeployError(code, `${line(first)}${others}`, {
    hint: more.length === 0 ? first.hint : [first.hint, 'Also:', ...list(more)].join('\n'),
    detail: { ...first.place, problems: sorted.length },
  })
}

const line = ({ place, message }: Problem): string => `${placeText(place)}: ${message}`

function list(problems: readonly Problem[]): string[] {
  const shown = problems.slice(0, SHOWN).map((problem) => `  ${line(problem)}. ${problem.hint}`)
  return problems.length > SHOWN ? [...shown, `  … and ${problems.length - SHOWN} more.`] : shown
}

function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [line(problem), problem])).values()]
}
