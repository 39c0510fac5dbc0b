import dockerignore from '@balena/dockerignore'
import { DeployError } from '../../model/failure.ts'

/** Which paths of the context are left out. */
export interface Ignore {
  /** Whether a path (relative to the context) is left out. */
  ignores(path: string): boolean
  /** Whether a path inside a folder that is left out may come back (`!pattern`). */
  readonly exceptions: boolean
}

/** Reads a .dockerignore file; null: there is none. Throws BUILD_SOURCE_INVALID. */
export function readIgnore(text: string | null): Ignore {
  if (text === null) return { ignores: () => false, exceptions: false }
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  const rules = dockerignore.default({ ignorecase: false }).add(lines)
  try {
    // The library reads a pattern when it first needs it.
    rules.ignores('first')
  } catch (failed) {
    if (!(failed instanceof SyntaxError)) throw failed
    throw new DeployError('BUILD_SOURCE_INVALID', `.dockerignore has a broken pattern: ${failed.message}`, {
      hint: 'A "[" needs its "]"; a name with brackets in it is written with backslashes: \\[name\\].',
      cause: failed,
    })
  }
  return {
    ignores: (path) => rules.ignores(path),
    exceptions: lines.some((line) => line.trimStart().startsWith('!')),
  }
}
