import { isRepository } from '../../model/reference.ts'

/**
 * What a token is asked for and gives, in the words of distribution's token specification: `repository:team/shop:pull,push`,
 * `registry:catalog:*`, and our own `registry:mount:*`: to mount a blob without saying from where, out of what the account may pull.
 */
export interface Scope {
  readonly type: 'repository' | 'registry'
  readonly name: string
  readonly actions: readonly string[]
}

export const CATALOG: Scope = { type: 'registry', name: 'catalog', actions: ['*'] }
export const MOUNT: Scope = { type: 'registry', name: 'mount', actions: ['*'] }

/** More at a time no client asks for, and a token with more would not fit into the header of a request (16 KB). */
export const MOST_SCOPES = 30

/** The scopes that a client asks for: parameters, each with one or more between spaces. What is none of ours is left out, as the specification wants it. */
export function parseScopes(parameters: readonly string[]): readonly Scope[] {
  const texts = parameters.flatMap((parameter) => parameter.split(' ')).slice(0, MOST_SCOPES)
  return texts.flatMap((text) => parseScope(text) ?? [])
}

function parseScope(text: string): Scope | null {
  const [, type, name = '', actions = ''] = /^(repository|registry)(?:\([a-z0-9]+\))?:(.+):([a-z*,]*)$/.exec(text) ?? []
  const words = [...new Set(actions.split(','))].filter((word) => word !== '')
  if (type === 'repository') return isRepository(name) ? { type, name, actions: words } : null
  const known = [CATALOG, MOUNT].find((scope) => type === 'registry' && scope.name === name)
  return known !== undefined && words.includes('*') ? known : null
}

export const formatScope = ({ type, name, actions }: Scope): string => `${type}:${name}:${actions.join(',')}`
