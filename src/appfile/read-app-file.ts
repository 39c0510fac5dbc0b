import { type Problem, refuseProblems } from './problem.ts'
import { appFileSchema } from './schema/app-file.ts'
import { problemsAsWritten } from './schema/validate.ts'
import { expandText } from './tree/expand-text.ts'
import { type MapNode, mapScalars, pathText } from './tree/placed-tree.ts'
import { readYaml } from './tree/read-yaml.ts'

/** A naru.yaml whose shape is right: every value with its place. Variables are not replaced and environments not merged yet. */
export interface PlacedAppFile {
  readonly fileName: string
  readonly root: MapNode
}

/**
 * Reads naru.yaml and checks the shape of all of it, also of the environments that are not asked for now.
 * Throws APPFILE_SYNTAX, APPFILE_TOO_LARGE, and APPFILE_INVALID with every problem found. `fileName` is shown to people.
 */
export function readAppFile(text: string, fileName: string): PlacedAppFile {
  const root = readYaml(text, fileName)
  if (root.entries.size === 0) refuseProblems([emptyFile(root)])
  refuseProblems([...problemsAsWritten(root, appFileSchema), ...dollarProblems(root)])
  return { fileName, root }
}

const emptyFile = ({ place }: MapNode): Problem => ({
  place,
  message: 'the file says nothing',
  hint: 'The least it can say is the name of the app: `app: shop`. For one that is found in the project, with comments: delete it and run naru init.',
})

/** Wrong uses of `$`, which no value of a variable can heal. */
function dollarProblems(root: MapNode): readonly Problem[] {
  const problems: Problem[] = []
  mapScalars(root, (scalar, path) => {
    const wrong = typeof scalar.value === 'string' ? expandText(scalar.value, {}).wrong : []
    for (const { kind, message, hint } of wrong)
      if (kind === 'syntax') problems.push({ place: scalar.place, message: `${pathText(path)}: ${message}`, hint })
    return scalar
  })
  return problems
}
