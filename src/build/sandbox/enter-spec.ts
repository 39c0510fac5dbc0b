/** What `enter.mjs` does in new namespaces; a file in the work folder of a RUN. It holds no secret. */
export interface EnterSpec {
  /** The mount program, and the folder in which it runs: the layers of the overlay are named relative to it. */
  readonly mount: string
  readonly mountsFrom: string
  /** A file of fstab(5): everything that is mounted, in its order. */
  readonly mountTable: string
  /** Moved over `/`, so that nothing of the machine is left to climb to; null: an OCI runtime changes the root. */
  readonly newRoot: string | null
  readonly hostname: string
  /** The environment of what it becomes. */
  readonly env: Readonly<Record<string, string>>
  /** What it becomes: absolute path and arguments. */
  readonly chain: readonly string[]
}

/** One line of fstab(5). */
export interface Mount {
  readonly source: string
  readonly target: string
  readonly type: string
  readonly options: readonly string[]
}

/** fstab(5) text; blanks, backslashes and `#` are written as octal numbers. */
export const mountTable = (mounts: readonly Mount[]): string =>
  mounts
    .map(({ source, target, type, options }) => [source, target, type, options.join(',')].map(octal).join(' '))
    .map((line) => `${line} 0 0\n`)
    .join('')

const octal = (text: string): string =>
  text.replace(/[\s\\#]/g, (letter) => `\\${letter.charCodeAt(0).toString(8).padStart(3, '0')}`)
