/** What `naru init` found in the folder. */
export interface Found {
  readonly app: string
  readonly dockerfile: { readonly name: string; readonly text: string } | null
  /** package.json; null: there is none. */
  readonly manifest: Readonly<Record<string, unknown>> | null
  readonly hasLockfile: boolean
  /** Files that may be the program, the likeliest first. */
  readonly mains: readonly string[]
  readonly nodeMajor: string
}

export interface NewFiles {
  readonly files: readonly { readonly name: string; readonly text: string; readonly what: string }[]
  /** What to do now, a line each. */
  readonly next: readonly string[]
}

const DEFAULT_PORT = 8080

/** The files that `naru init` writes. */
export function newFiles(found: Found): NewFiles {
  if (found.dockerfile !== null) return withDockerfile(found, found.dockerfile)
  if (found.manifest !== null) return forNode(found, found.manifest)
  return forNothing(found)
}

function withDockerfile(found: Found, { name, text }: { readonly name: string; readonly text: string }): NewFiles {
  const port = exposedPort(text)
  const build = name === 'Dockerfile' ? [] : [`build: { dockerfile: ${name} }`]
  const comment =
    port === null
      ? `port: ${DEFAULT_PORT}                          # where the program listens; ${name} has no EXPOSE`
      : `# port: ${port}                        # where the program listens (EXPOSE of ${name})`
  return {
    files: [naruYaml(found.app, [...build, comment], port ?? DEFAULT_PORT)],
    next: [...commitLines(['naru.yaml']), ...(usesNodeBase(text) ? [BASE_LINE] : []), 'naru deploy'],
  }
}

function forNode(found: Found, manifest: Readonly<Record<string, unknown>>): NewFiles {
  const command = startCommand(found, manifest)
  const packages = Object.keys((manifest.dependencies as object | undefined) ?? {})
  const install =
    packages.length === 0
      ? []
      : [
          `build: { run: [npm, ${found.hasLockfile ? 'ci' : 'install'}, --omit=dev] }   # on this machine, in the clean tree, before the image`,
        ]
  const base = `base/node:${found.nodeMajor}`
  return {
    files: [
      naruYaml(
        found.app,
        [
          ...install,
          `# port: ${DEFAULT_PORT}                        # where the program listens (EXPOSE of the Dockerfile)`,
        ],
        DEFAULT_PORT,
      ),
      { name: 'Dockerfile', text: nodeDockerfile(base, command), what: `on top of ${base}, runs ${command.join(' ')}` },
    ],
    next: [...commitLines(['naru.yaml', 'Dockerfile']), BASE_LINE, 'naru deploy'],
  }
}

function forNothing({ app }: Found): NewFiles {
  return {
    files: [
      naruYaml(
        app,
        [
          '# image: registry.example.com/team/app:1   # an image that exists, in place of a Dockerfile',
          `port: ${DEFAULT_PORT}                          # where the program listens`,
        ],
        DEFAULT_PORT,
      ),
    ],
    next: [
      'write a Dockerfile (there is none here), or set image: in naru.yaml',
      ...commitLines(['naru.yaml', 'Dockerfile']),
      'naru deploy',
    ],
  }
}

const BASE_LINE = 'naru image base node      once: makes the base image from this machine’s Node'
const commitLines = (names: readonly string[]) => [`git add ${names.join(' ')} && git commit -m "Deploy with Naru"`]

function naruYaml(app: string, more: readonly string[], port: number): NewFiles['files'][number] {
  const lines = [
    '# What Naru deploys: naru config shows every setting, naru schema is for editors.',
    `app: ${app}`,
    ...more,
    'replicas: 2',
    '# health: { readiness: { path: /healthz } }   # default: a connect to the port',
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

function nodeDockerfile(base: string, command: readonly string[]): string {
  const [program, ...args] = command
  const run = program === 'node' ? ['/usr/local/bin/node', ...args] : command
  return [
    `# ${base} is made from this machine's own Node by: naru image base node`,
    `FROM ${base}`,
    'WORKDIR /app',
    'ENV NODE_ENV=production',
    'COPY . ./',
    'USER 65534',
    `EXPOSE ${DEFAULT_PORT}`,
    '# The program must listen on the PORT that it is given, and end on SIGTERM.',
    `CMD [${run.map((part) => JSON.stringify(part)).join(', ')}]`,
    '',
  ].join('\n')
}

/** `node …` of the start script, when it is that simple; else main, else the likeliest file. */
function startCommand({ mains }: Found, manifest: Readonly<Record<string, unknown>>): readonly string[] {
  const script = (manifest.scripts as Readonly<Record<string, unknown>> | undefined)?.start
  const words = typeof script === 'string' ? script.trim().split(/\s+/) : []
  if (words[0] === 'node' && words.length > 1 && !/["'`$|&;<>()\\]/.test(words.join(' '))) return words
  const main = typeof manifest.main === 'string' ? manifest.main : undefined
  return ['node', main ?? mains[0] ?? 'server.js']
}

/** The first port that the last stage of a Dockerfile exposes. */
function exposedPort(dockerfile: string): number | null {
  const stage = dockerfile.split(/^\s*FROM\s/im).at(-1) ?? ''
  const [, port] = /^\s*EXPOSE\s+(\d{1,5})\b/im.exec(stage) ?? []
  return port === undefined ? null : Number(port)
}

const usesNodeBase = (dockerfile: string): boolean => /^\s*FROM\s+base\/node/im.test(dockerfile)
