import { DeployError } from './failure.ts'

/** What may be done with a repository of a registry, in the words of the distribution specification's scopes. */
export type RegistryAction = 'pull' | 'push' | 'delete'

/** Actions that are allowed on the repositories that a pattern matches. */
export interface RegistryRight {
  /** Components with `*` for any characters within one, and at most one `**` for any number of components. */
  readonly repositories: string
  readonly actions: readonly RegistryAction[]
}

export const EVERY_ACTION: readonly RegistryAction[] = ['pull', 'push', 'delete']
const COMPONENT = /^[a-z0-9._*-]+$/

/** Whoever pushes asks what is there before, and whoever deletes looks first: both need to pull. */
const WORDS: Readonly<Record<string, readonly RegistryAction[]>> = {
  pull: ['pull'],
  push: ['pull', 'push'],
  delete: ['pull', 'delete'],
  all: EVERY_ACTION,
}

/** Reads `[PATTERN:]ACTION[,ACTION]`, such as `team/**:push`, `pull` or `all`. Throws USAGE_INVALID. */
export function parseRegistryRight(text: string): RegistryRight {
  const colon = text.lastIndexOf(':')
  const repositories = colon < 0 ? '**' : text.slice(0, colon)
  const words = text.slice(colon + 1).split(',')
  const wrong = words.find((word) => !Object.hasOwn(WORDS, word))
  if (wrong !== undefined) {
    throw invalid(text, `${JSON.stringify(wrong)} is none of ${Object.keys(WORDS).join(', ')}`)
  }
  const why = wrongPattern(repositories)
  if (why !== null) throw invalid(text, why)
  const actions = EVERY_ACTION.filter((action) => words.some((word) => WORDS[word]?.includes(action)))
  return { repositories, actions }
}

/** What is wrong with a pattern of repositories; null: nothing. */
export function wrongPattern(pattern: string): string | null {
  const components = pattern.split('/')
  if (pattern.length > 255 || !components.every(isComponent)) return 'the pattern has what no repository name has'
  return components.filter((component) => component === '**').length > 1 ? '** may stand once' : null
}

/** The right as text again: the shortest that means the same. */
export function formatRegistryRight({ repositories, actions }: RegistryRight): string {
  if (actions.length === EVERY_ACTION.length) return `${repositories}:all`
  const implied = actions.length > 1 ? actions.filter((action) => action !== 'pull') : actions
  return `${repositories}:${implied.join(',')}`
}

/** Whether any of the rights allows an action on a repository. */
export const isAllowed = (rights: readonly RegistryRight[], repository: string, action: RegistryAction): boolean =>
  rights.some((right) => right.actions.includes(action) && matchesRepository(right.repositories, repository))

/** Whether the rights allow an action on every repository that there can be. */
export const isAllowedEverywhere = (rights: readonly RegistryRight[], action: RegistryAction): boolean =>
  rights.some((right) => right.actions.includes(action) && right.repositories === '**')

const isComponent = (text: string): boolean => text === '**' || (COMPONENT.test(text) && !text.includes('**'))

/** Whether a pattern of components matches a repository name. */
export function matchesRepository(pattern: string, repository: string): boolean {
  const wanted = pattern.split('/')
  const parts = repository.split('/')
  const any = wanted.indexOf('**')
  if (any < 0) return wanted.length === parts.length && wanted.every((glob, at) => fits(glob, parts[at] ?? ''))
  const before = wanted.slice(0, any)
  const after = wanted.slice(any + 1)
  // At the end it stands for what lies below: `team/**` is not `team`.
  const fewest = before.length + after.length + (after.length === 0 ? 1 : 0)
  return (
    parts.length >= fewest &&
    before.every((glob, at) => fits(glob, parts[at] ?? '')) &&
    after.every((glob, at) => fits(glob, parts[parts.length - after.length + at] ?? ''))
  )
}

/** One component with `*` for any characters; in time that does not depend on how many there are. */
function fits(glob: string, text: string): boolean {
  const [first = '', ...rest] = glob.split('*')
  const last = rest.pop()
  if (last === undefined) return glob === text
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false
  let at = first.length
  for (const piece of rest) {
    const found = text.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return at <= text.length - last.length
}

const invalid = (text: string, why: string) =>
  new DeployError('USAGE_INVALID', `${JSON.stringify(text.slice(0, 300))} is no right: ${why}`, {
    hint: 'Write [PATTERN:]ACTION[,ACTION]: team/shop:pull, team/**:push, all. Actions are pull, push, delete and all.',
  })
