import type { App } from '../model/app.ts'
import { type Problem, problemAt } from './problem.ts'
import type { WrittenCheck } from './resolve/roles.ts'
import type { MergedFile } from './schema/app-file.ts'
import type { MapNode, Path } from './tree/placed-tree.ts'

/** Rules of `health`, of the app and of each role: one kind of check, its own keys only, and a port where it needs one. */
export function readinessProblems({
  file,
  root,
  app,
}: {
  file: MergedFile
  root: MapNode
  app: App
}): readonly Problem[] {
  const shared = (['readiness', 'liveness'] as const).flatMap((kind) =>
    kindProblems(root, ['health', kind], file.health?.[kind]),
  )
  const own = Object.entries(file.roles ?? {}).flatMap(([name, { health }]) => {
    const hasPort = app.roles.find((role) => role.name === name)?.port !== null
    return (['readiness', 'liveness'] as const).flatMap((kind) => {
      const path = ['roles', name, 'health', kind]
      const check = health?.[kind]
      return [...kindProblems(root, path, check), ...(hasPort ? [] : portProblems(root, path, check))]
    })
  })
  return [...shared, ...own]
}

function kindProblems(root: MapNode, path: Path, check: WrittenCheck | undefined): readonly Problem[] {
  if (check === undefined) return []
  const kinds = [
    ...(check.path === undefined ? [] : ['path']),
    ...(check.tcp === undefined || check.tcp === false ? [] : ['tcp']),
    ...(check.run === undefined ? [] : ['run']),
  ]
  const got = kinds.length === 0 ? 'none' : kinds.join(' and ')
  if (kinds.length !== 1)
    return [
      problemAt(
        root,
        path,
        `expected one of path, tcp and run, got ${got}`,
        'Keep one; `null` removes one that another block brings.',
      ),
    ]
  return (['host', 'expect', 'port'] as const).flatMap((key) => {
    const fits = key === 'port' ? kinds[0] !== 'run' : kinds[0] === 'path'
    if (check[key] === undefined || fits) return []
    return [problemAt(root, [...path, key], `means nothing to a check by ${got}`, `Remove it, or check by path.`)]
  })
}

function portProblems(root: MapNode, path: Path, check: WrittenCheck | undefined): readonly Problem[] {
  const needs = check?.path !== undefined || check?.tcp === true
  if (!needs || check.port !== undefined) return []
  return [
    problemAt(root, path, 'the role has no port to check', 'Write port: beside path or tcp, or give the role a port.'),
  ]
}
