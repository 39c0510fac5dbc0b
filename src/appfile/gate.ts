import type { AppKey, EngineTraits } from '../model/engine-traits.ts'
import { type Problem, refuseProblems } from './problem.ts'
import { ENGINE_OF_KEY, type EngineKind } from './schema/engine-keys.ts'
import { type Entry, type MapNode, type Path, pathText, type TreeNode } from './tree/placed-tree.ts'

type Refused = EngineTraits['refuses'][number]

/** A key that says no more than its default is honoured by everybody. */
const HARMLESS: Readonly<Record<AppKey, string>> = { 'routes[].path': '/' }

/** Keys that are read and checked, but have no place in `App` yet: no engine could honour them. The issue that brings one takes it out. */
const NOT_YET: readonly Refused[] = [
  { key: 'source.svn', hint: 'Deploy from a git repository (source.git).' },
  { key: 'health.liveness', hint: 'Remove it: a replica that exits is restarted in any case.' },
  { key: 'roles.*.health.liveness', hint: 'Remove it: a replica that exits is restarted in any case.' },
  { key: 'roles.*.hosts', hint: 'Remove it: every role runs on every host of the environment.' },
  { key: 'roles.*.replicas.perHost', hint: 'Write the number of replicas in all, such as replicas: 3.' },
  { key: 'roles.*.replicas.min', hint: 'Write a number, such as replicas: 3, and scale with: naru scale N.' },
]

/** Refuses what no engine of this version honours, and keys of other engines. Throws KEY_NOT_SUPPORTED with all of them. */
export function refuseNotYet(written: MapNode, engine: EngineKind): void {
  refuseKeys(written, NOT_YET, 'this version of Naru')
  const foreign = Object.entries(ENGINE_OF_KEY).flatMap(([key, engines]): Problem[] => {
    const entry = written.entries.get(key)
    if (entry === undefined || engines.includes(engine)) return []
    return [
      {
        place: entry.place,
        message: `${key}: the engine ${engine} does not know it`,
        hint: `Write engine: ${engines.join(' or ')}, or ${key}: null for this environment.`,
      },
    ]
  })
  refuseProblems(foreign, 'KEY_NOT_SUPPORTED')
}

/** Refuses an environment of another engine than the one at hand. Throws KEY_NOT_SUPPORTED. */
export function refuseOtherEngine(written: MapNode, kind: EngineKind, atHand: string): void {
  if (kind === atHand) return
  const place = written.entries.get('engine')?.place ?? written.place
  const hint = `Choose an environment with engine: ${atHand}; the engine ${kind} comes with a later version.`
  refuseProblems([{ place, message: `engine: ${kind} is not there yet`, hint }], 'KEY_NOT_SUPPORTED')
}

/**
 * Refuses the keys that an engine cannot honour, before anything is built: only what is written counts, never a default.
 * `who`: "the engine embedded". Throws KEY_NOT_SUPPORTED with all of them, each with its place and what to do.
 */
export function refuseKeys(written: MapNode, refuses: EngineTraits['refuses'], who: string): void {
  const problems = refuses.flatMap(({ key, hint }) => {
    const [path = '', value] = key.split(': ')
    return foundAt(written, path, value ?? null).map(({ entry, at }) => ({
      place: entry.place,
      message: `${pathText(at)}${value === undefined ? '' : `: ${value}`} is not supported by ${who}`,
      hint,
    }))
  })
  refuseProblems(problems, 'KEY_NOT_SUPPORTED')
}

interface Found {
  readonly entry: Entry
  readonly at: Path
}

/** Every place that a key of a trait names: `routes[].host`, `roles.*.port`; with a value, only where it has that value. An empty list asks for nothing. */
function foundAt(root: MapNode, key: string, value: string | null): readonly Found[] {
  const parts = key.replaceAll('[]', '.[]').split('.')
  const first: Found = { entry: { place: root.place, node: root }, at: [] }
  const found = parts.reduce<readonly Found[]>((level, part) => level.flatMap((one) => stepInto(one, part)), [first])
  return found.filter(({ entry: { node } }) => {
    if (node.kind === 'list' && node.items.length === 0) return false
    const text = node.kind === 'scalar' ? node.text : null
    return value === null ? text === null || text !== HARMLESS[key] : text === value
  })
}

function stepInto({ entry: { node }, at }: Found, part: string): readonly Found[] {
  if (part === '[]') return node.kind === 'list' ? node.items.map((item, index) => foundItem(item, [...at, index])) : []
  if (node.kind !== 'map') return []
  if (part === '*') return [...node.entries].map(([key, entry]) => ({ entry, at: [...at, key] }))
  const entry = node.entries.get(part)
  return entry === undefined ? [] : [{ entry, at: [...at, part] }]
}

const foundItem = (node: TreeNode, at: Path): Found => ({ entry: { place: node.place, node }, at })
