import type { App, BuildSettings, SecretUse, SourceSettings } from '../../model/app.ts'
import type { Problem } from '../problem.ts'
import { nearestNode } from '../tree/placed-tree.ts'
import { commandAt, type Resolving, resolveEnv } from './roles.ts'
import { parseCpu, parseMemory } from '../schema/quantity.ts'
import { isWithin, joinPath } from './repository-path.ts'

const MIGRATE_SECONDS = 600

/** Where the code is. `folder`: of the repository, in which naru.yaml stands ('' is its root). */
export function resolveSource({ file, settings }: Resolving, folder: string): SourceSettings {
  const { git, ref, folder: written, submodules } = file.source ?? {}
  return {
    kind: 'git',
    url: settings.take(['source', 'git'], git, null),
    ref: settings.take(['source', 'ref'], ref === undefined ? undefined : String(ref), null),
    folder: joinPath('', settings.take(['source', 'folder'], written, folder)),
    submodules: settings.take(['source', 'submodules'], submodules, false),
  }
}

/**
 * How it is built; null where only `image` is written. `context` and `dockerfile` are written relative to naru.yaml and
 * resolved relative to the repository's root, so that an app of a monorepo may take `../..` as its context.
 */
export function resolveBuild(from: Resolving, folder: string): BuildSettings | null {
  const { file, settings } = from
  if (file.build === undefined && file.image !== undefined) return null
  const build = file.build ?? {}
  const path = (key: 'context' | 'dockerfile', fallback: string) =>
    joinPath(folder, settings.take(['build', key], build[key], fallback)) || '.'
  const ca = settings.take(['build', 'ca'], build.ca, null)
  return {
    context: path('context', '.'),
    dockerfile: path('dockerfile', 'Dockerfile'),
    target: settings.take(['build', 'target'], build.target, null),
    args: resolveEnv(from, ['build', 'args']),
    secrets: settings.take(['build', 'secrets'], build.secrets, []),
    contexts: Object.fromEntries(
      Object.entries(settings.take(['build', 'contexts'], build.contexts, {})).map(([name, where]) => [
        name,
        isFolder(where) ? joinPath(folder, where) || '.' : where,
      ]),
    ),
    run: commandAt(from, ['build', 'run']),
    runEnv: settings.take(['build', 'runEnv'], build.runEnv, []),
    artifact: settings.take(['build', 'artifact'], build.artifact, null),
    compression: settings.take(['build', 'compression'], build.compression, 'gzip'),
    unpack: Object.fromEntries(
      Object.entries(settings.take(['build', 'unpack'], build.unpack, {})).map(([archive, to]) => [
        joinPath(folder, archive),
        joinPath(folder, to),
      ]),
    ),
    runLimits: resolveRunLimits(from),
    ca: ca === 'system' || ca === null ? ca : joinPath(folder, ca),
    split: settings.take(['build', 'split'], build.split, null),
    platforms: settings.take(['build', 'platforms'], build.platforms, []),
    with: settings.take(['build', 'with'], build.with, 'naru'),
    watch: settings.take(['build', 'watch'], build.watch, []),
  }
}

/** Of a named context: neither an address, nor git by ssh (`git@host:path`). */
const isFolder = (where: string): boolean => !/^[a-z][a-z0-9+.-]*:|^[^/]+@[^/:]+:/i.test(where)

function resolveRunLimits({ file, settings }: Resolving): BuildSettings['runLimits'] {
  const { memory, cpu, timeoutSeconds } = file.build?.runLimits ?? {}
  const amount = (key: string, written: string | number | undefined, parse: typeof parseCpu) => {
    const parsed = written === undefined ? undefined : parse(written)
    if (written === undefined || parsed === undefined || 'wrong' in parsed) return null
    settings.note(['build', 'runLimits', key], written)
    return parsed.amount
  }
  const seconds = settings.take(['build', 'runLimits', 'timeoutSeconds'], timeoutSeconds, null)
  return {
    memoryBytes: amount('memory', memory, parseMemory),
    cpuMilli: amount('cpu', cpu, parseCpu),
    timeoutMs: seconds === null ? null : seconds * 1000,
  }
}

/** Paths of `build` that leave the repository. */
export function buildProblems({ file, root }: Resolving, folder: string): readonly Problem[] {
  const unpacked = Object.entries(file.build?.unpack ?? {}).flat()
  const contexts = Object.values(file.build?.contexts ?? {}).filter(isFolder)
  const written = {
    context: [file.build?.context],
    dockerfile: [file.build?.dockerfile],
    unpack: unpacked,
    contexts,
    ca: [file.build?.ca],
  }
  return Object.entries(written).flatMap(([key, paths]) => {
    if (paths.every((path) => path === undefined || isWithin(folder, path))) return []
    return [
      {
        place: nearestNode(root, ['build', key]).place,
        message: `build.${key}: leaves the repository`,
        hint: 'Choose a folder of the repository; what is outside cannot be built from a commit.',
      },
    ]
  })
}

/** The command that runs once before anything is replaced; null: there is none. */
export function resolveMigrate(from: Resolving): App['migrate'] {
  if (from.file.migrate === undefined) return null
  const run = commandAt(from, ['migrate', 'run']) ?? []
  const { timeoutSeconds } = from.file.migrate
  return { run, timeoutSeconds: from.settings.take(['migrate', 'timeoutSeconds'], timeoutSeconds, MIGRATE_SECONDS) }
}

/** Names of secrets and where the program finds them. */
export function resolveSecrets({ file, settings }: Resolving): readonly SecretUse[] {
  return (file.secrets ?? []).map((secret, index) => {
    const use =
      typeof secret === 'string' ? { name: secret, file: null } : { name: secret.name, file: secret.file ?? null }
    settings.note(['secrets', index], use.file === null ? use.name : `${use.name} → ${use.file}`)
    return use
  })
}
