import { type FoundKind, findKind } from '../kinds/find-kind.ts'
import {
  isUnready,
  type KindName,
  KINDS,
  PORT,
  type ProjectFiles,
  type Proposal,
  type Readiness,
} from '../kinds/kind.ts'

/** What `naru init` found in the folder. */
export interface Found {
  readonly app: string
  readonly dockerfile: { readonly name: string; readonly text: string } | null
  readonly project: ProjectFiles
  /** `--kind`; null: the one that it looks like. */
  readonly kind: KindName | null
}

export interface NewFiles {
  readonly files: readonly NewFile[]
  /** What was decided, and what to look at. */
  readonly notes: readonly string[]
  /** What to do now, a line each. */
  readonly next: readonly string[]
}

interface NewFile {
  readonly name: string
  readonly text: string
  readonly what: string
}

/** The files that `naru init` writes. */
export function newFiles(found: Found): NewFiles {
  if (found.dockerfile !== null) return withDockerfile(found, found.dockerfile)
  const kind = findKind(found.project, found.kind)
  if (kind === null) return forNothing(found)
  return isUnready(kind.taken) ? forUnready(found, kind) : forKind(found, kind.taken, kind)
}

function withDockerfile(found: Found, { name, text }: { readonly name: string; readonly text: string }): NewFiles {
  const port = exposedPort(text)
  const build = name === 'Dockerfile' ? [] : [`build: { dockerfile: ${name} }`]
  const comment =
    port === null
      ? `port: ${PORT}                          # where the program listens; ${name} has no EXPOSE`
      : `# port: ${port}                        # where the program listens (EXPOSE of ${name})`
  return {
    files: [naruYaml(found.app, [...build, comment], port ?? PORT)],
    notes: [],
    next: [...commitLines(['naru.yaml']), ...(usesNodeBase(text) ? [BASE_LINE] : []), 'naru deploy'],
  }
}

function forKind(found: Found, proposal: Proposal, kind: FoundKind): NewFiles {
  const { dockerfile, what, ignore } = proposal
  const comment = `# port: ${PORT}                        # where the program listens (EXPOSE of the Dockerfile)`
  const files = [
    naruYaml(found.app, [comment, ...splitLines(proposal), ...readinessLines(proposal.readiness)], PORT),
    { name: 'Dockerfile', text: dockerfile, what },
    ...(found.project.names.includes('.dockerignore')
      ? []
      : [{ name: '.dockerignore', text: `${ignore.join('\n')}\n`, what: 'what is in no image' }]),
  ]
  return {
    files,
    notes: [...takenNotes(kind), ...proposal.notes],
    next: [...commitLines(files.map(({ name }) => name)), ...offlineLines(proposal), 'naru deploy'],
  }
}

function forUnready(found: Found, kind: FoundKind): NewFiles {
  const missing = 'missing' in kind.taken ? kind.taken.missing : ''
  const { files, next } = forNothing(found)
  return { files, notes: [...takenNotes(kind), `no Dockerfile was written: ${missing}`], next }
}

/** Why this kind, and how to have another one. */
function takenNotes({ taken, others }: FoundKind): readonly string[] {
  const first = `${taken.kind}, because of ${taken.because}`
  if (others.length === 0) return [first]
  const more = others.map(({ kind, because }) => `${kind} (${because})`).join(', ')
  return [
    `${first}; it could also be ${more}: for that, remove Dockerfile and add --force --kind ${others[0]?.kind ?? ''}`,
  ]
}

/** A Node image without packages can be made of this machine's own Node, under the same name. */
function offlineLines({ dockerfile }: Proposal): readonly string[] {
  const [, image] = /^FROM (node:\S+)$/m.exec(dockerfile) ?? []
  if (image === undefined || dockerfile.includes(' AS build')) return []
  return [`naru image base node --name ${image}      only without Docker Hub: makes it from this machine’s Node`]
}

function forNothing({ app }: Found): NewFiles {
  return {
    files: [
      naruYaml(
        app,
        [
          '# image: registry.example.com/team/app:1   # an image that exists, in place of a Dockerfile',
          `port: ${PORT}                          # where the program listens`,
        ],
        PORT,
      ),
    ],
    notes: [],
    next: [
      `write a Dockerfile (there is none here; one is written for ${KINDS.join(', ')}), or set image: in naru.yaml`,
      ...commitLines(['naru.yaml', 'Dockerfile']),
      'naru deploy',
    ],
  }
}

const splitLines = ({ split }: Proposal): readonly string[] =>
  split === undefined
    ? []
    : [`build: { split: ${split} }            # layers by how often they change: a change of code sends only code`]

/** Nothing where it is the HEALTHCHECK: that is the default. */
function readinessLines(readiness: Readiness): readonly string[] {
  if (readiness === 'image') return []
  if (readiness !== 'connect')
    return [`health: { readiness: { path: ${readiness.path} } }   # ${readiness.where} has it`]
  return [
    'health: { readiness: { tcp: true } }   # a connect to the port; better, where there is one: { path: /healthz }',
  ]
}

const BASE_LINE = 'naru image base node      once: makes the base image from this machine’s Node'
const commitLines = (names: readonly string[]) => [`git add ${names.join(' ')} && git commit -m "Deploy with Naru"`]

function naruYaml(app: string, more: readonly string[], port: number): NewFile {
  const lines = [
    '# What Naru deploys: naru config shows every setting, naru schema is for editors.',
    `app: ${app}`,
    ...more,
    'replicas: 2',
    ...(more.some((line) => line.startsWith('health:'))
      ? []
      : [
          '# health: { readiness: { path: /healthz } }   # default: HEALTHCHECK of the Dockerfile, else a connect to the port',
        ]),
    '# env: { LOG_LEVEL: info }',
    '# secrets: [DB_PASSWORD]               # values: naru secret set DB_PASSWORD',
    '# migrate: { run: [./migrate] }        # once, in the new image, before anything is replaced',
    `# routes: [{ role: web, listen: "127.0.0.1:${port}" }]   # the address that clients call`,
    '# rollout: { maxSurge: 25%, maxUnavailable: 0, onFailure: rollback }',
    'environments:',
    '  local: { engine: embedded }',
    '',
  ]
  return { name: 'naru.yaml', text: lines.join('\n'), what: `app ${app}, port ${port}` }
}

/** The first port that the last stage of a Dockerfile exposes. */
function exposedPort(dockerfile: string): number | null {
  const stage = dockerfile.split(/^\s*FROM\s/im).at(-1) ?? ''
  const [, port] = /^\s*EXPOSE\s+(\d{1,5})\b/im.exec(stage) ?? []
  return port === undefined ? null : Number(port)
}

const usesNodeBase = (dockerfile: string): boolean => /^\s*FROM\s+base\/node/im.test(dockerfile)
