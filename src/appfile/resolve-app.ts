import type { App } from '../model/app.ts'
import { DeployError } from '../model/failure.ts'
import { chooseEnvironment } from './choose-environment.ts'
import { defaultAppFile } from './default-app.ts'
import { type FrontAndCommit, frontAndCommit } from './front-and-commit.ts'
import { refuseNotYet } from './gate.ts'
import { environmentNames, mergeEnvironment } from './merge-environment.ts'
import { refuseProblems } from './problem.ts'
import type { PlacedAppFile } from './read-app-file.ts'
import { buildProblems, resolveBuild, resolveMigrate, resolveSecrets, resolveSource } from './resolve/build.ts'
import { type Resolving, resolveEnv, resolveRoles } from './resolve/roles.ts'
import { resolveReceipt, resolveRollout, resolveRoutes, routedRoles } from './resolve/routes.ts'
import { type Setting, Settings } from './resolve/settings.ts'
import { rulesBroken } from './rules.ts'
import { mergedSchema } from './schema/app-file.ts'
import { validate } from './schema/validate.ts'
import type { Variables } from './tree/expand-text.ts'
import { interpolate, variableNames } from './tree/interpolate.ts'
import { type MapNode, nodeAt } from './tree/placed-tree.ts'
import { textsAt } from './tree/texts.ts'

/** What an app is resolved from: files, environment and variables. */
export interface ResolveRequest {
  /** naru.yaml in front of the user; null: there is none (a webhook, or a folder with only a Dockerfile). */
  readonly front: PlacedAppFile | null
  /** The commit's; null: it has none; undefined: no commit is deployed or it was not looked at. */
  readonly commit?: PlacedAppFile | null | undefined
  /** As asked for (`-e`); undefined: NARU_ENVIRONMENT of the variables, else the only one. */
  readonly environment?: string | undefined
  /** The caller's environment, with the variables of `envFile` below it. */
  readonly variables: Variables
  /** Name of the folder: of the app where there is no file. */
  readonly folderName: string
  /** Folder of the repository in which naru.yaml stands; '' (default) is its root. */
  readonly folder?: string | undefined
}

/** An app in one environment, and what there is to tell about how it came about. */
export interface ResolvedApp {
  readonly app: App
  /** Every value under its key, with its origin: what `naru config` shows. */
  readonly settings: readonly Setting[]
  /** What the user is told, a sentence each. */
  readonly notes: readonly string[]
  /** Names of the variables that the file used. */
  readonly variables: readonly string[]
  readonly file: FrontAndCommit['file']
  /** The merged file, for `refuseKeys` with the traits of the engine. */
  readonly written: MapNode
}

/**
 * An app in one environment with every default filled in. Throws ENVIRONMENT_*, APPFILE_VARIABLE_MISSING, APPFILE_INVALID,
 * KEY_NOT_SUPPORTED (what no engine of this version honours) and NAME_INVALID, each with every problem of its kind.
 */
export function resolveApp(request: ResolveRequest): ResolvedApp {
  const { root: joined, file: origin, notes } = frontAndCommit(request.front, request.commit)
  const whole = joined ?? defaultAppFile(request.folderName)
  refuseRootFile(whole)
  const environment = chooseEnvironment(environmentNames(whole), request.environment, request.variables)
  const merged = mergeEnvironment(whole, environment)
  refuseProblems(merged.problems)
  const { root, file } = checkedFile(merged.root, request.variables)
  const settings = new Settings(root)
  if (origin === 'none') settings.note(['app'], file.app, { kind: 'folder' })
  else settings.take(['app'], file.app, file.app)
  const app = appOf({ file, root, settings }, environment, request.folder ?? '')
  refuseProblems(rulesBroken({ file, root, app }))
  return { app, settings: settings.all(), notes, variables: variableNames(merged.root), file: origin, written: root }
}

/** Variables replaced, values checked, what no engine honours refused. */
function checkedFile(merged: MapNode, variables: Variables): Pick<Resolving, 'file' | 'root'> {
  const { tree, problems, missing } = interpolate(merged, variables)
  refuseProblems(problems)
  refuseProblems(missing, 'APPFILE_VARIABLE_MISSING')
  if (tree.kind !== 'map') throw new Error('a map stays a map')
  const checked = validate(tree, mergedSchema)
  refuseProblems(checked.problems)
  if (checked.value === null) throw new Error('a file without problems has a value')
  refuseNotYet(checked.root, checked.value.engine ?? 'embedded')
  return { file: checked.value, root: checked.root }
}

function appOf(from: Resolving, environment: string, folder: string): App {
  const { file, settings } = from
  const kind = settings.take(['engine'], file.engine, 'embedded')
  const source = resolveSource(from, folder)
  refuseProblems(buildProblems(from, source.folder))
  return {
    app: file.app,
    environment,
    engine: { kind },
    source,
    build: resolveBuild(from, source.folder),
    image: settings.take(['image'], file.image, null),
    migrate: resolveMigrate(from),
    env: resolveEnv(from, ['env']),
    secrets: resolveSecrets(from),
    roles: resolveRoles(from, routedRoles(from)),
    routes: resolveRoutes(from, kind),
    rollout: resolveRollout(from, kind),
    receipt: resolveReceipt(from),
  }
}

/** A root file with `apps:` names other files. Reading it comes with monorepos. */
function refuseRootFile(root: MapNode): void {
  const apps = root.entries.get('apps')
  if (apps === undefined) return
  const { place } = apps
  throw new DeployError(
    'KEY_NOT_SUPPORTED',
    `${place.file}:${place.line}:${place.column}: apps is not supported by this version of Naru`,
    {
      hint: 'Run naru in the folder of one app, which has a naru.yaml of its own.',
      detail: { ...place },
    },
  )
}

/** The files that `envFile` names for an environment, relative to naru.yaml: the caller reads them before it resolves. */
export function envFilesOf(front: PlacedAppFile, environment: string): readonly string[] {
  const { root } = mergeEnvironment(front.root, environment)
  return nodeAt(root, ['envFile']) === undefined ? [] : textsAt(root, ['envFile'])
}
