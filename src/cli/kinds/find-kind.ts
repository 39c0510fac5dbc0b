import { findGo } from './go.ts'
import { findGradle } from './gradle.ts'
import { isUnready, type KindName, KINDS, type ProjectFiles, type Proposal, type Unready } from './kind.ts'
import { findMaven } from './maven.ts'
import { findNode } from './node.ts'
import { findPython } from './python.ts'
import { findStaticSite } from './static-site.ts'

const FINDERS: Readonly<Record<KindName, (files: ProjectFiles) => Proposal | Unready | null>> = {
  maven: findMaven,
  gradle: findGradle,
  go: findGo,
  python: findPython,
  node: findNode,
  static: findStaticSite,
}

/** The kind that was taken, and the others that it could have been. */
export interface FoundKind {
  readonly taken: Proposal | Unready
  readonly others: readonly (Proposal | Unready)[]
}

/**
 * What kind of project it is: the first that is whole, in the order of `KINDS`; where none is, the first that lacks something.
 * Compiled languages go before package.json, which often only brings tools along. A package that builds a site and starts
 * nothing is a site. `asked`: take this one. null: it is none of them.
 */
export function findKind(files: ProjectFiles, asked: KindName | null): FoundKind | null {
  const found = KINDS.map((kind) => FINDERS[kind](files)).filter((one) => one !== null)
  const fitting = asked === null ? found : found.filter(({ kind }) => kind === asked)
  const taken = fitting.find((one) => !isUnready(one)) ?? fitting[0]
  return taken === undefined ? null : { taken, others: found.filter((one) => one !== taken) }
}

/** Whether a file's text is needed to tell the kind. */
export const isTelling = (name: string): boolean =>
  TELLING.has(name) || (SOURCES.test(name) && !/^(?:.*\/)?(?:vendor|dist|build|public|assets|static)\//.test(name))

/** A program's start, and the paths that it answers. */
const SOURCES =
  /^(?:[\w.-]+\/){0,4}[\w.-]+\.(?:go|[cm]?[jt]s)$|^src\/main\/(?:java|kotlin)\/.*\.(?:java|kt)$|^(?:[\w-]+\/){0,2}[\w-]+\.py$/

const TELLING: ReadonlySet<string> = new Set([
  ...[
    'package.json',
    'pnpm-lock.yaml',
    '.nvmrc',
    '.node-version',
    'pom.xml',
    'build.gradle',
    'build.gradle.kts',
    'go.mod',
  ],
  ...['requirements.txt', 'pyproject.toml', '.python-version'],
])
