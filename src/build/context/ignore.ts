import { DeployError } from '../../model/failure.ts'
import { type IgnorePattern, readIgnorePattern } from './ignore-pattern.ts'

/** Which paths of the context are left out. */
export interface Ignore {
  /** Whether a path (relative to the context) is left out. */
  ignores(path: string): boolean
  /** Whether a path inside a folder that is left out may come back (`!pattern`). */
  readonly exceptions: boolean
}

/** Reads a .dockerignore file; null: there is none. Throws BUILD_SOURCE_INVALID. */
export function readIgnore(text: string | null): Ignore {
  const patterns = (text ?? '')
    .replace(/^\uFEFF/, '')
    .split('\n')
    .flatMap((line, index) => readLine(line, index + 1) ?? [])
  return {
    ignores: (path) => patterns.length > 0 && ignores(patterns, path),
    exceptions: patterns.some(({ exception }) => exception),
  }
}

function readLine(line: string, number: number): IgnorePattern | null {
  try {
    return readIgnorePattern(line)
  } catch (failed) {
    if (!(failed instanceof SyntaxError)) throw failed
    throw new DeployError('BUILD_SOURCE_INVALID', `.dockerignore:${number} is no pattern: ${failed.message}`, {
      hint: 'A "[" needs its "]"; a name with brackets in it is written with backslashes: \\[name\\].',
      cause: failed,
    })
  }
}

/** The last pattern that matches the path, or a folder above it, says. */
function ignores(patterns: readonly IgnorePattern[], path: string): boolean {
  const paths = [path]
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) paths.push(path.slice(0, at))
  const last = patterns.findLast(({ matches }) => paths.some((one) => matches(one)))
  return last !== undefined && !last.exception
}
