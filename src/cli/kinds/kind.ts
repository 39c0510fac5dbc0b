/** Kinds of projects that `naru init` writes a Dockerfile for, in the order in which they are tried. */
export const KINDS = ['maven', 'gradle', 'go', 'python', 'node', 'static'] as const
export type KindName = (typeof KINDS)[number]

/** What `naru init` looks at. Nothing else of the folder is known to the kinds. */
export interface ProjectFiles {
  /** Paths of files from the folder on, with `/`; not those that git, package managers and builds write. */
  readonly names: readonly string[]
  /** The text of the files that say what a project is, by path. */
  readonly texts: Readonly<Record<string, string>>
}

/** The port that every Dockerfile exposes: where the program has to listen when `PORT` says nothing else. */
export const PORT = 8080
/** An ordinary user by number: what is named nobody needs a passwd, and an engine can see that it is not root. */
export const ORDINARY_USER = '65532:65532'

/** A path that a program answers where it works, and the file that says so. */
export interface HealthPath {
  readonly path: string
  readonly where: string
}

/**
 * How an engine asks whether a replica is ready: over HTTP for a path of the program's own; by a connect, where a program
 * listens only when it can answer; else by the HEALTHCHECK of the image, which starts a program each time.
 */
export type Readiness = HealthPath | 'connect' | 'image'

/** A Dockerfile for a project. */
export interface Proposal {
  readonly kind: KindName
  /** What says that it is of this kind: `pom.xml, packaging war`. */
  readonly because: string
  readonly dockerfile: string
  readonly readiness: Readiness
  /** How its COPY of the program becomes several layers (`build.split`); else its lines do that. */
  readonly split?: 'java'
  /** What the image is, in a few words. */
  readonly what: string
  /** Lines of `.dockerignore`. */
  readonly ignore: readonly string[]
  /** What to look at before a build. */
  readonly notes: readonly string[]
}

/** A project of a kind for which a fact is missing. */
export interface Unready {
  readonly kind: KindName
  readonly because: string
  /** What could not be found, and what to do. */
  readonly missing: string
}

export const isUnready = (one: Proposal | Unready): one is Unready => 'missing' in one

/** Lines of a Dockerfile, an empty one between its stages. */
export const dockerfile = (...stages: readonly (readonly string[])[]): string =>
  `${['# syntax=docker/dockerfile:1', ...stages.map((lines) => lines.join('\n'))].join('\n\n')}\n`

/** The exec form. */
export const execForm = (command: readonly string[]): string =>
  `[${command.map((part) => JSON.stringify(part)).join(', ')}]`

/** How the image says that it works; `startSeconds`: how long it may take to begin. */
export const healthcheck = (command: readonly string[], startSeconds = 30): string =>
  `HEALTHCHECK --interval=10s --timeout=5s --start-period=${startSeconds}s --start-interval=1s CMD ${execForm(command)}`

export const cacheMount = (...targets: readonly string[]): string =>
  targets.map((target) => `--mount=type=cache,target=${target}`).join(' ')

/** What is in no image, of any kind. */
export const IGNORED_ALWAYS = [
  '.git',
  '.svn',
  '.env',
  '.env.*',
  '.idea',
  '.vscode',
  'Dockerfile',
  '.dockerignore',
  'naru.yaml',
]
