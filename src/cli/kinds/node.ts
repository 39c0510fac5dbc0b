import { healthPath, healthRequest } from './health-path.ts'
import { asRecord, type Manifest, parseJson } from './manifest.ts'
import {
  dockerfile,
  execForm,
  healthcheck,
  type HealthPath,
  IGNORED_ALWAYS,
  ORDINARY_USER,
  PORT,
  type ProjectFiles,
  type Proposal,
  type Unready,
} from './kind.ts'
import {
  buildStage,
  lockNotes,
  manifestStage,
  type NodePackages,
  nodePackages,
  packagesStage,
} from './node-packages.ts'

const MAINS = ['server.mjs', 'server.js', 'index.mjs', 'index.js', 'app.mjs', 'app.js', 'main.mjs', 'main.js']

/** A Node project that is a server: package.json with a program to start. null: there is none, or it only builds a site. */
export function findNode(files: ProjectFiles): Proposal | Unready | null {
  const text = files.texts['package.json']
  if (text === undefined) return null
  const manifest = parseJson(text)
  if (manifest === null) {
    return { kind: 'node', because: 'package.json', missing: 'package.json is no JSON object: repair it first' }
  }
  const command = startCommand(files, manifest)
  if (command === null) {
    const missing =
      'package.json has neither "main" nor a "start" script: add "start": "node server.js" with the program’s file'
    return { kind: 'node', because: 'package.json', missing }
  }
  const packages = nodePackages(files, manifest)
  const health = healthPath(files)
  return {
    kind: 'node',
    because: 'package.json',
    what: `${packages.image}, runs ${command.join(' ')}`,
    dockerfile: dockerfile(
      ...(packages.forProgram || packages.isBuilt ? [manifestStage(files, manifest, packages)] : []),
      ...(packages.forProgram ? [packagesStage(packages)] : []),
      ...(packages.isBuilt ? [buildStage(packages)] : []),
      finalStage(packages, command, health),
    ),
    readiness: health ?? 'connect',
    ignore: [...IGNORED_ALWAYS, '**/node_modules', 'npm-debug.log*'],
    notes: lockNotes(packages),
  }
}

const finalStage = (
  { image, forProgram, isBuilt }: NodePackages,
  command: readonly string[],
  health: HealthPath | null,
): readonly string[] => [
  `FROM ${image}`,
  `ENV NODE_ENV=production PORT=${PORT}`,
  'WORKDIR /app',
  ...(forProgram ? ['COPY --from=packages /app/node_modules ./node_modules'] : []),
  isBuilt ? 'COPY --from=build --exclude=node_modules /app ./' : 'COPY . .',
  `USER ${ORDINARY_USER}`,
  `EXPOSE ${PORT}`,
  healthcheck(['node', '-e', healthProgram(health)]),
  '# The program must listen on the PORT that it is given, and end on SIGTERM.',
  `CMD ${execForm(command)}`,
]

function healthProgram(found: HealthPath | null): string {
  const { path, failsFrom } = healthRequest(found)
  return `fetch("http://127.0.0.1:"+process.env.PORT+"${path}").then(r=>process.exit(r.status<${failsFrom}?0:1),()=>process.exit(1))`
}

/** The start script where no shell is needed for it; else main, else npm, else the likeliest file. null: nothing to start. */
function startCommand({ names }: ProjectFiles, manifest: Manifest): readonly string[] | null {
  const script = asRecord(manifest.scripts)?.start
  const words = typeof script === 'string' ? script.trim().split(/\s+/) : []
  const [program = '', ...args] = words
  const isPlain = !/["'`$|&;<>()\\*?]/.test(words.join(' ')) && !program.includes('=')
  if (isPlain && program === 'node' && args.length > 0) return words
  if (isPlain && /^[a-z][\w-]*$/.test(program) && !SHELL_LIKE.has(program)) {
    return [`node_modules/.bin/${program}`, ...args]
  }
  if (typeof manifest.main === 'string') return ['node', manifest.main]
  if (words.length > 0) return ['npm', 'start']
  const main = MAINS.find((name) => names.includes(name))
  return main === undefined ? null : ['node', main]
}

/** Programs that are in no package, or start others. */
const SHELL_LIKE = new Set(['npm', 'npx', 'yarn', 'pnpm', 'sh', 'bash', 'cd', 'env', 'exec', 'node', 'bun', 'deno'])
