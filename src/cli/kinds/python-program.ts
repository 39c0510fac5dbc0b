import { type HealthPath, PORT, type ProjectFiles, type Readiness } from './kind.ts'

/** How a Python project is started. */
export interface PythonProgram {
  readonly what: string
  readonly command: readonly string[]
  /** The package that serves the application and has to be installed as well; null: nothing is missing. */
  readonly server: string | null
  readonly readiness: Exclude<Readiness, HealthPath>
}

const PROGRAMS = ['main.py', 'app.py', 'server.py', '__main__.py', 'src/main.py', 'src/app.py']
/** A module's variable that is an application: `app = FastAPI()`. */
const ASGI = /^(\w+)\s*(?::\s*\w+\s*)?=\s*(?:FastAPI|Starlette|Quart|Litestar)\(/m
const WSGI = /^(\w+)\s*(?::\s*\w+\s*)?=\s*(?:Flask|Bottle|falcon\.App)\(/m

/** Django, an ASGI or WSGI application, or a file that is run as it is; null: none of them. */
export function pythonProgram({ names, texts }: ProjectFiles, packages: ReadonlySet<string>): PythonProgram | null {
  const wsgi = names.filter((name) => /^[\w-]+\/wsgi\.py$/.test(name))
  if (names.includes('manage.py') && wsgi[0] !== undefined) {
    return gunicorn(`${wsgi[0].replace(/\/wsgi\.py$/, '')}.wsgi:application`, packages)
  }
  const modules = names.filter((name) => name.endsWith('.py') && texts[name] !== undefined).sort(nearRootFirst)
  for (const name of modules) {
    const text = texts[name] ?? ''
    const [asgi, plain] = [ASGI.exec(text)?.[1], WSGI.exec(text)?.[1]]
    if (asgi !== undefined) return uvicorn(`${moduleOf(name)}:${asgi}`, packages)
    if (plain !== undefined) return gunicorn(`${moduleOf(name)}:${plain}`, packages)
  }
  const program = PROGRAMS.find((name) => names.includes(name))
  return program === undefined
    ? null
    : { what: `python ${program}`, command: ['python', program], server: null, readiness: 'connect' }
}

/** Listens on PORT by itself (its setting `bind`). */
const gunicorn = (application: string, packages: ReadonlySet<string>): PythonProgram => ({
  what: `gunicorn ${application}`,
  // Its workers say that they live by a file: in memory, a slow disk cannot end them.
  command: ['gunicorn', '--worker-tmp-dir', '/dev/shm', '--access-logfile', '-', application],
  server: packages.has('gunicorn') ? null : 'gunicorn',
  // It listens before it has loaded the application.
  readiness: 'image',
})

/** Reads no PORT: a shell fills it in, and exec lets the program have the signals. */
const uvicorn = (application: string, packages: ReadonlySet<string>): PythonProgram => ({
  what: `uvicorn ${application}`,
  command: ['sh', '-c', `exec uvicorn ${application} --host 0.0.0.0 --port "\${PORT:-${PORT}}"`],
  server: packages.has('uvicorn') ? null : 'uvicorn',
  readiness: 'connect',
})

const moduleOf = (name: string): string =>
  name
    .replace(/\.py$/, '')
    .replace(/\/__init__$/, '')
    .replaceAll('/', '.')

const nearRootFirst = (one: string, other: string): number =>
  one.split('/').length - other.split('/').length || rank(one) - rank(other) || (one < other ? -1 : 1)
const rank = (name: string): number => (PROGRAMS.indexOf(name) + PROGRAMS.length) % PROGRAMS.length
