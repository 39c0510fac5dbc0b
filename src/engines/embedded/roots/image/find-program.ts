import { posix } from 'node:path'
import { DeployError } from '../../../../model/failure.ts'
import { type ImageFile, type ImageFiles, readStart } from './image-files.ts'
import { elfFacts } from './elf.ts'

/** The program of a replica, found before the start. */
export interface Program {
  /** Absolute path inside the image, as it is to be started: links are kept, programs like busybox look at their name. */
  readonly inside: string
  /** The same with links followed inside the image. */
  readonly resolved: string
  /** `#! interpreter argument` of a script; null: machine code. */
  readonly script: { readonly interpreter: Program; readonly argument: string | null } | null
  /** Its loader inside the image; null: linked statically. */
  readonly loader: string | null
}

export interface ProgramSearch {
  readonly files: ImageFiles
  readonly path: string
  readonly cwd: string
  /** As Node spells it: `x64`, `arm64`. */
  readonly architecture: string
}

const MOST_INTERPRETERS = 4

/**
 * Finds a command's program as the kernel and execvp would inside the image, links followed there. Throws
 * REPLICA_PROGRAM_NOT_FOUND (with where it looked, or which loader or interpreter is missing), REPLICA_START_FAILED (no
 * permission to execute) or REPLICA_WRONG_ARCHITECTURE.
 */
export function findProgram(command: string, search: ProgramSearch, depth = 0): Program {
  const tried = candidates(command, search)
  const found = tried.flatMap((inside) => {
    const file = search.files.find(inside)
    return file === null ? [] : [{ inside, file }]
  })
  const usable = found.find(({ file }) => file.stats.isFile() && (file.stats.mode & 0o111) !== 0)
  if (usable === undefined) throw notStartable(command, tried, found[0]?.inside ?? null)
  const start = readStart(usable.file.host, 64 * 1024)
  if (start.toString('latin1', 0, 2) === '#!') return script(usable, start, search, depth)
  return {
    inside: usable.inside,
    resolved: usable.file.inside,
    script: null,
    loader: checkMachine(usable, start, search),
  }
}

function candidates(command: string, { path, cwd }: ProgramSearch): string[] {
  if (command.includes('/')) return [posix.resolve(cwd, command)]
  if (command === '') return []
  return path.split(':').map((folder) => posix.join(posix.resolve(cwd, folder), command))
}

interface Found {
  readonly inside: string
  readonly file: ImageFile
}

function script({ inside, file }: Found, start: Buffer, search: ProgramSearch, depth: number): Program {
  const line = start.toString('utf8', 2, 258).split('\n')[0]?.trim() ?? ''
  const [, interpreter = '', argument = ''] = /^(\S+)\s*(.*)$/.exec(line) ?? []
  if (depth >= MOST_INTERPRETERS || !interpreter.startsWith('/'))
    throw missing(`${inside} names no interpreter that can be started: #!${line.slice(0, 100)}`, { program: inside })
  if (search.files.find(interpreter) === null)
    throw missing(`${inside} is a script for ${interpreter}, which is not in the image`, {
      program: inside,
      interpreter,
    })
  const program = findProgram(interpreter, search, depth + 1)
  return { inside, resolved: file.inside, script: { interpreter: program, argument: argument || null }, loader: null }
}

/** The loader that the program asks for, checked to be there. */
function checkMachine({ inside }: Found, start: Buffer, { files, architecture }: ProgramSearch): string | null {
  const facts = elfFacts(start)
  if (facts === null)
    throw notExecutable(`${inside} in the image is neither machine code for Linux nor a script with #!`)
  if (facts.architecture !== architecture)
    throw new DeployError(
      'REPLICA_WRONG_ARCHITECTURE',
      `${inside} is made for ${facts.architecture}, this machine is ${architecture}`,
      { hint: `Build the image for this machine (${architecture}), or deploy to a machine of that kind.` },
    )
  if (facts.loader !== null && files.find(facts.loader) === null)
    throw missing(`${inside} needs the loader ${facts.loader}, which is not in the image`, { program: inside })
  return facts.loader
}

function notStartable(command: string, tried: readonly string[], there: string | null): DeployError {
  if (there !== null) return notExecutable(`${there} in the image is no file that may be executed`)
  const where = tried.length === 1 ? '' : `; looked for ${tried.join(', ')}`
  return missing(`the program ${JSON.stringify(command.slice(0, 200))} is not in the image${where.slice(0, 1000)}`, {
    program: command.slice(0, 200),
  })
}

const missing = (message: string, detail: Record<string, string>): DeployError =>
  new DeployError('REPLICA_PROGRAM_NOT_FOUND', message, {
    hint: 'Nothing was started. Check CMD, ENTRYPOINT and PATH of the image, and `run` of the role.',
    detail,
  })

const notExecutable = (message: string): DeployError =>
  new DeployError('REPLICA_START_FAILED', message, {
    hint: 'Nothing was started. Make it executable in the image (COPY --chmod=755), or start its interpreter.',
  })
