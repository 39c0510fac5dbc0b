/** A file of a build context; files have mode 644, or 755 where they run, and belong to root. */
export type ContextFile = string | { readonly run: string } | { readonly link: string } | { readonly bytes: Uint8Array }

/** A Dockerfile that Naru and BuildKit must build to the same root file system and configuration, or both refuse. */
export interface DockerfileCase {
  readonly name: string
  /** Lines after `FROM busybox:1`, or a whole Dockerfile when one of them is a FROM; a text is taken as it is. */
  readonly dockerfile: readonly string[] | string
  readonly files?: Readonly<Record<string, ContextFile>>
  readonly args?: Readonly<Record<string, string>>
  readonly target?: string
  readonly secrets?: Readonly<Record<string, string>>
  /** Both must refuse it; a text: Naru must say so, not fail for another reason. */
  readonly refused?: true | string
  /** Paths whose time the Dockerfile determines. Times are not compared elsewhere: Naru's are reproducible, BuildKit's the clock's. */
  readonly times?: readonly string[]
  /** Facts in which the two differ on purpose, each with its reason. */
  readonly except?: Readonly<Record<string, string>>
  /** Naru refuses on purpose what BuildKit builds; why. */
  readonly onlyBuildkit?: string
  /** Naru builds on purpose what BuildKit refuses; why. */
  readonly onlyNaru?: string
  /** What Naru has not built yet; then it must refuse. Remove the mark with the work. */
  readonly notYet?: string
}

/** The Dockerfile's text. */
export function dockerfileText({ dockerfile }: DockerfileCase): string {
  if (typeof dockerfile === 'string') return dockerfile
  const whole = dockerfile.some((line) => /^FROM /i.test(line))
  return `${(whole ? dockerfile : ['FROM busybox:1', ...dockerfile]).join('\n')}\n`
}
