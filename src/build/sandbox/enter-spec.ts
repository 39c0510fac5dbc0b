/** What `enter.cjs` does in new namespaces; a file in the work folder of a RUN. It holds no secret. */
export interface EnterSpec {
  /** The mount program, and the folder in which it runs: the layers of the overlay are named relative to it. */
  readonly mount: string
  readonly mountsFrom: string
  /** A file of fstab(5): everything that is mounted, in its order. */
  readonly mountTable: string
  /** Moved over `/`, so that nothing of the machine is left to climb to; null: an OCI runtime changes the root. */
  readonly newRoot: string | null
  readonly hostname: string
  /** The program that sets it, where /proc does not let this user; null: then it stays that of the machine. */
  readonly setHostname: string | null
  /** The folder of the command, for people. */
  readonly cwd: string
  /** Ends with 126 where the folder of the command is one of the sandbox; null: where it leads is found inside of it only. */
  readonly check: readonly string[] | null
  /** Becomes memory: secrets, and the bundle of an OCI runtime with its state. */
  readonly privateFolder: string
  /** config.json of an OCI bundle without its variables; null: no runtime is used. */
  readonly bundle: { readonly process: object } | null
  /** The environment of an OCI runtime itself. */
  readonly own: Readonly<Record<string, string>>
  /** The environment of the command, without secrets. */
  readonly env: Readonly<Record<string, string>>
  /** What it becomes: absolute path and arguments. */
  readonly chain: readonly string[]
}

/** What `enter.cjs` is told by stdin, and nobody else. */
export interface EnterSecrets {
  /** The line that it says on stderr when everything is mounted. What comes before it is no output of the command. */
  readonly begins: string
  readonly files: readonly {
    readonly name: string
    readonly mode: number
    readonly uid: number
    readonly gid: number
    readonly value: string
  }[]
  readonly env: Readonly<Record<string, string>>
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
