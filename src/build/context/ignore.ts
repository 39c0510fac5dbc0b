import dockerignore from '@balena/dockerignore'

/** Which paths of the context are left out. */
export interface Ignore {
  /** Whether a path (relative to the context) is left out. */
  ignores(path: string): boolean
  /** Whether a path inside a folder that is left out may come back (`!pattern`). */
  readonly exceptions: boolean
}

/** Reads a .dockerignore file; null: there is none. */
export function readIgnore(text: string | null): Ignore {
  if (text === null) return { ignores: () => false, exceptions: false }
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  const rules = dockerignore.default({ ignorecase: false }).add(lines)
  return {
    ignores: (path) => rules.ignores(path),
    exceptions: lines.some((line) => line.trimStart().startsWith('!')),
  }
}
