import { healthPath, healthRequest } from './health-path.ts'
import {
  cacheMount,
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
import { pythonProgram } from './python-program.ts'

const NEWEST = '3.13'
const PIP = cacheMount('/root/.cache/pip')

/** Since Python 3.11: the packages that a pyproject.toml names, without its own. */
const DEPENDENCIES = `import tomllib;print(*tomllib.load(open("pyproject.toml","rb"))["project"].get("dependencies",[]),sep="\\n")`

/** A Python server: requirements.txt or pyproject.toml, and a program or a framework's application. */
export function findPython(files: ProjectFiles): Proposal | Unready | null {
  const { texts } = files
  const because = ['requirements.txt', 'pyproject.toml'].find((name) => texts[name] !== undefined)
  if (because === undefined) return null
  const unready = (missing: string): Unready => ({ kind: 'python', because, missing })
  const pyproject = texts['pyproject.toml'] ?? ''
  if (because === 'pyproject.toml' && !/^\[project\]/m.test(pyproject)) {
    return unready(
      'pyproject.toml has no [project] with dependencies: write a requirements.txt (poetry export -o requirements.txt)',
    )
  }
  const packages = packageNames(texts['requirements.txt'] ?? pyproject)
  const program = pythonProgram(files, packages)
  if (program === null) {
    return unready('no program was found: name it main.py, app.py or server.py, or write the Dockerfile by hand')
  }
  const version = pythonVersion(texts)
  const health = healthPath(files)
  const image = `python:${version}-slim`
  return {
    kind: 'python',
    because,
    what: `${image}, runs ${program.what}`,
    dockerfile: dockerfile(buildStage(image, because, program.server), finalStage(image, program.command, health)),
    readiness: health ?? program.readiness,
    ignore: [...IGNORED_ALWAYS, '.venv', 'venv', '**/__pycache__', '**/*.pyc', '.pytest_cache', '.mypy_cache'],
    notes:
      program.server === null
        ? []
        : [
            `${program.server} is not among the packages: the Dockerfile installs its newest version; pin it in ${because}`,
          ],
  }
}

function buildStage(image: string, because: string, server: string | null): readonly string[] {
  const install = because === 'requirements.txt' ? [] : [`RUN python -c '${DEPENDENCIES}' > requirements.txt`]
  return [
    `FROM ${image} AS build`,
    'WORKDIR /app',
    'RUN python -m venv /venv',
    `COPY ${because} ./`,
    ...install,
    `RUN ${PIP} /venv/bin/pip install --disable-pip-version-check -r requirements.txt${server === null ? '' : ` ${server}`}`,
  ]
}

const finalStage = (image: string, command: readonly string[], health: HealthPath | null): readonly string[] => [
  `FROM ${image}`,
  `ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PORT=${PORT}`,
  'WORKDIR /app',
  'COPY --from=build /venv /venv',
  'COPY . .',
  `USER ${ORDINARY_USER}`,
  `EXPOSE ${PORT}`,
  healthcheck(['python', '-c', healthProgram(health)]),
  '# The program must listen on the PORT that it is given, and end on SIGTERM.',
  `CMD ${execForm(command)}`,
]

function healthProgram(found: HealthPath | null): string {
  const { path, failsFrom } = healthRequest(found)
  return [
    'import http.client,os,sys',
    'c=http.client.HTTPConnection("127.0.0.1",int(os.environ["PORT"]),timeout=4)',
    `c.request("GET","${path}")`,
    `sys.exit(c.getresponse().status>=${failsFrom})`,
  ].join(';')
}

/** What `.python-version` says, else the newest that `requires-python` of pyproject.toml lets be. */
function pythonVersion(texts: ProjectFiles['texts']): string {
  const written = /^(3\.\d+)/.exec(texts['.python-version']?.trim() ?? '')?.[1]
  const [, sign, required] =
    /^requires-python\s*=\s*["']\s*(>=|==|~=)\s*(3\.\d+)/m.exec(texts['pyproject.toml'] ?? '') ?? []
  if (written !== undefined) return written
  if (required === undefined) return NEWEST
  return sign === '==' || minor(required) > minor(NEWEST) ? required : NEWEST
}

const minor = (version: string): number => Number(version.slice(2))

/** Names at the beginning of lines or of quoted requirements, as PEP 503 writes them. */
function packageNames(text: string): ReadonlySet<string> {
  const names = [...text.matchAll(/^\s*["']?([A-Za-z][\w.-]*)|[[,]\s*["']([A-Za-z][\w.-]*)/gm)]
  return new Set(names.map(([, one, other]) => (one ?? other ?? '').toLowerCase().replace(/[-_.]+/g, '-')))
}
