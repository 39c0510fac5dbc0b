/** The variables that a stage knows: ENV of its image, and its ARGs. Of the two, the one that was set later counts (BuildKit's rule). */
export class StageVariables {
  readonly #args: Map<string, string>
  /** ARGs that were set after an ENV of their name. */
  readonly #later: Set<string>
  #env: ReadonlyMap<string, string> = new Map()

  /** `from`: of the stage that this one stands on, whose ARGs stay known. */
  constructor(from?: StageVariables) {
    this.#args = new Map(from?.args)
    this.#later = new Set(from?.later)
  }

  get args(): ReadonlyMap<string, string> {
    return this.#args
  }

  get later(): ReadonlySet<string> {
    return this.#later
  }

  declare(name: string, value: string): void {
    this.#args.set(name, value)
    this.#later.add(name)
  }

  /** What ENV says now: `NAME=value`, a list as in an image; `changed`: the names that an ENV has just set. */
  setEnv(lines: readonly string[], changed: readonly string[]): void {
    this.#env = new Map(
      lines.map((line) => {
        const equals = line.indexOf('=')
        return [line.slice(0, equals), line.slice(equals + 1)] as const
      }),
    )
    for (const name of changed) this.#later.delete(name)
  }

  get(name: string): string | undefined {
    return this.#later.has(name) ? this.#args.get(name) : (this.#env.get(name) ?? this.#args.get(name))
  }

  all(): ReadonlyMap<string, string> {
    const later = [...this.#args].filter(([name]) => this.#later.has(name))
    return new Map([...this.#args, ...this.#env, ...later])
  }
}
