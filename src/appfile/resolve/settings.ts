import { type MapNode, nodeAt, type Path, pathText, type Place, placeText, type TreeNode } from '../tree/placed-tree.ts'

/** Where a value came from. */
export type Origin =
  | { readonly kind: 'default' }
  | { readonly kind: 'image' }
  | { readonly kind: 'folder' }
  | {
      readonly kind: 'file'
      readonly place: Place
      readonly environment: string | null
      readonly variables: readonly string[]
    }

/** One resolved value under its key of naru.yaml, and where it came from: a line of `naru config`. */
export interface Setting {
  readonly key: string
  readonly value: string | number | boolean | null | readonly string[]
  readonly origin: Origin
}

/** `naru.yaml:12:5`, `default`, `environment prod (naru.yaml:40:7)`, `variable WORKERS (naru.yaml:3:1)`, `image`. */
export function originText(origin: Origin): string {
  if (origin.kind === 'folder') return "the folder's name"
  if (origin.kind !== 'file') return origin.kind
  const { place, environment, variables } = origin
  if (variables.length > 0) return `variable ${variables.join(', ')} (${placeText(place)})`
  return environment === null ? placeText(place) : `environment ${environment} (${placeText(place)})`
}

/** Takes values out of a merged file, and writes down for each where it came from. */
export class Settings {
  readonly #root: MapNode
  /** By key: two roles may take the same shared value. */
  readonly #taken = new Map<string, Setting>()

  constructor(root: MapNode) {
    this.#root = root
  }

  /** The written value, else the default. `shown`: as the user knows it, where that differs (500m, not 500). */
  take<T>(path: Path, written: T | undefined, fallback: T, shown: (value: T) => Setting['value'] = plainly): T {
    const value = written ?? fallback
    this.note(path, shown(value), written === undefined ? { kind: 'default' } : originOf(nodeAt(this.#root, path)))
    return value
  }

  /** A value that was worked out elsewhere. Without an origin: where its key stands in the file. */
  note(path: Path, value: Setting['value'], origin: Origin = originOf(nodeAt(this.#root, path))): void {
    const key = pathText(path)
    this.#taken.set(key, { key, value, origin })
  }

  all(): readonly Setting[] {
    return [...this.#taken.values()]
  }
}

function originOf(node: TreeNode | undefined): Origin {
  if (node === undefined) return { kind: 'default' }
  const variables = node.kind === 'scalar' ? node.variables : []
  return { kind: 'file', place: node.place, environment: node.environment, variables }
}

function plainly(value: unknown): Setting['value'] {
  if (Array.isArray(value)) return value.map(String)
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null
}
