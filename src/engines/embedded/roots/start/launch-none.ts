import { realpathSync } from 'node:fs'
import { join, posix } from 'node:path'
import type { Launch } from '../../launch.ts'
import type { Program } from '../image/find-program.ts'
import type { LaunchFrame } from './launch-rooted.ts'

export interface UnrootedProgram {
  readonly root: string
  readonly program: Program
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** Where a program of the image is on this machine: `hostPath` of the root. */
  pathOf(program: Program): string
  /** Whether this machine's own loader and C library can start the (last) program. */
  readonly hostLoaderFits: boolean
}

/** A program's path below a root folder: by its own name where its links lead to the right file from outside too (busybox looks at it), else without links. */
export function hostPath(root: string, { inside, resolved }: Program): string {
  const named = join(root, inside)
  const target = join(root, resolved)
  try {
    return realpathSync(named) === target ? named : target
  } catch {
    return target // its link is an absolute one, and leads nowhere on this machine
  }
}

/** Library folders of images, as their loaders search them. */
const LIBRARIES = [
  '/usr/local/lib',
  '/lib/x86_64-linux-gnu',
  '/usr/lib/x86_64-linux-gnu',
  '/lib/aarch64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/lib64',
  '/usr/lib64',
  '/lib',
  '/usr/lib',
]

/** The program itself, as this user: PATH, HOME, working directory and the program lie in the root folder, other absolute paths do not. */
export function launchUnrooted(it: UnrootedProgram, frame: LaunchFrame): Launch {
  const { root, cwd, env } = it
  const [program = '', ...args] = [...startOf(it.program, it), ...it.args]
  const search = (env.PATH ?? '').split(':').filter((folder) => folder.startsWith('/'))
  const mapped = { PATH: search.map((folder) => `${root}${folder}`).join(':'), HOME: `${root}${env.HOME ?? ''}` }
  const rest = { cwd: posix.join(root, cwd), uid: null, gid: null, signalTo: 'child', before: [], after: [] } as const
  return { ...frame, ...rest, program, args, env: { ...env, ...mapped, NARU_ROOT: root } }
}

/** A script is started by its interpreter, a program that needs another C library than this machine's by its image's loader. */
function startOf(program: Program, it: UnrootedProgram): string[] {
  const { root, pathOf } = it
  if (program.script !== null) {
    const { interpreter, argument } = program.script
    return [...startOf(interpreter, it), ...(argument === null ? [] : [argument]), pathOf(program)]
  }
  if (program.loader === null || it.hostLoaderFits) return [pathOf(program)]
  // The loader becomes the process's own program: process.execPath is then the loader (reference/libraries.md section 8a).
  return [
    `${root}${program.loader}`,
    '--library-path',
    LIBRARIES.map((folder) => `${root}${folder}`).join(':'),
    pathOf(program),
  ]
}
