import { cacheMount, type ProjectFiles } from './kind.ts'
import { asRecord, type Manifest } from './manifest.ts'
import { type NodeManager, nodeManager } from './node-manager.ts'

const NEWEST_LTS = 24

/** The image that a Node project is built in and runs on. */
export interface NodePackages {
  readonly image: string
  readonly manager: NodeManager
  /** Something is installed for the program; for its build. */
  readonly forProgram: boolean
  readonly forBuild: boolean
  /** package.json has a script `build`. */
  readonly isBuilt: boolean
  /** The sources stand before the packages: their manifests are in several folders, or a script that is run for them may read anything. */
  readonly sourcesFirst: boolean
}

export function nodePackages(files: ProjectFiles, manifest: Manifest): NodePackages {
  const manager = nodeManager(files, manifest)
  const forProgram =
    manager.isWorkspace || count(manifest, 'dependencies') + count(manifest, 'optionalDependencies') > 0
  return {
    image: nodeImage(files, manifest),
    manager,
    forProgram,
    forBuild: forProgram || count(manifest, 'devDependencies') > 0,
    isBuilt: scriptOf(manifest, 'build') !== null,
    sourcesFirst: manager.isWorkspace || ['install', 'postinstall'].some((name) => scriptOf(manifest, name) !== null),
  }
}

/** The stage that both others stand on: the package manager, and the files that say which packages. */
export function manifestStage({ names }: ProjectFiles, manifest: Manifest, packages: NodePackages): readonly string[] {
  const { image, manager, sourcesFirst } = packages
  return [
    `FROM ${image} AS manifests`,
    'WORKDIR /app',
    ...manager.setup,
    sourcesFirst
      ? 'COPY . .'
      : `COPY ${['package.json', ...manager.manifests.filter((name) => names.includes(name))].join(' ')} ./`,
    // It is for the machine of a developer (git hooks), or builds, for which the sources are not there yet.
    ...(scriptOf(manifest, 'prepare') === null ? [] : ['RUN npm pkg delete scripts.prepare']),
  ]
}

/** What the program needs and no more. A change of the sources leaves it as it is. */
export const packagesStage = ({ manager }: NodePackages): readonly string[] => [
  'FROM manifests AS packages',
  // Where nothing came of it, what the last stage copies has to be there all the same.
  `RUN ${cacheMount(manager.cache)} ${manager.production} && mkdir -p node_modules`,
]

export const buildStage = ({ manager, forBuild, sourcesFirst }: NodePackages): readonly string[] => [
  'FROM manifests AS build',
  ...(forBuild ? [`RUN ${cacheMount(manager.cache)} ${manager.whole}`] : []),
  ...(sourcesFirst ? [] : ['COPY . .']),
  `RUN ${manager.build}`,
]

/** Nothing that is locked: each build may have other packages. */
export const lockNotes = ({ manager, forBuild }: NodePackages): readonly string[] => [
  ...(forBuild && !manager.isLocked
    ? ['there is no lock file: commit package-lock.json, so that each build has the same packages']
    : []),
  ...manager.notes,
]

/** The official image for the version that .nvmrc, .node-version or `engines.node` ask for. */
function nodeImage({ texts }: ProjectFiles, manifest: Manifest): string {
  const written = texts['.nvmrc'] ?? texts['.node-version']
  const major = Number(/^v?(\d+)/.exec(written?.trim() ?? '')?.[1] ?? 0)
  if (major > 0) return `node:${major}-slim`
  const engines = asRecord(manifest.engines)?.node
  const [, sign = '', from = ''] = /^\s*([\^~]|>=|>)?\s*v?(\d+)/.exec(typeof engines === 'string' ? engines : '') ?? []
  if (from === '') return `node:${NEWEST_LTS}-slim`
  const least = Number(from)
  const isOpen = sign.startsWith('>') && !/</.test(String(engines))
  return `node:${isOpen ? Math.max(least, NEWEST_LTS) : least}-slim`
}

const scriptOf = (manifest: Manifest, name: string): string | null => {
  const script = asRecord(manifest.scripts)?.[name]
  return typeof script === 'string' ? script : null
}

const count = (manifest: Manifest, key: string): number => Object.keys(asRecord(manifest[key]) ?? {}).length
