import { chainCount, ruleCount, serviceChain } from './nft-table.ts'
import { type HeldTable, MAPS } from './wanted-table.ts'

/** A map, set, chain, rule … of the table, as nft writes it in JSON. */
interface NftPart {
  readonly name?: string
  readonly map?: unknown
  readonly elem?: readonly unknown[]
  readonly chain?: string
  readonly expr?: readonly NftExpression[]
}

type NftExpression = {
  readonly redirect?: { readonly port?: { readonly map?: { readonly data?: { readonly set?: unknown } } } }
}
type NftParts = readonly Readonly<Record<string, NftPart>>[]

/** What `nft -j list table` printed. */
export function parseTable(printed: unknown): HeldTable {
  const parts = (printed as { readonly nftables: NftParts }).nftables
  const turns = turnsByChain(parts)
  const services = new Map<string, readonly number[]>()
  for (const { map } of parts) {
    for (const element of map?.elem ?? []) {
      const service = `${map?.name} ${keyOf(element)}`
      services.set(service, turns.get(serviceChain(service)) ?? [])
    }
  }
  const counted = counters(parts, 'given')
  const refused = counters(parts, 'refused')
  const written = parts.find(({ set }) => set?.name === 'writer')?.set
  const writer = written === undefined ? null : Number(written.elem?.[0] ?? 0)
  const ports = new Map(
    [...counted].map(([port, connections]) => [port, { connections, refused: refused.get(port) ?? 0 }] as const),
  )
  return { services, ports, writer, whole: writer !== null && isWhole(parts, services) }
}

/** Every service has its chain with its one rule, and there is no chain or rule besides. */
function isWhole(parts: NftParts, services: HeldTable['services']): boolean {
  const count = (kind: string) => parts.filter((part) => part[kind] !== undefined).length
  const forgets = count('ct timeout') > 0
  return (
    count('rule') === ruleCount(forgets) + services.size &&
    count('chain') === chainCount + services.size &&
    parts.filter(({ map }) => map?.map === 'verdict').length === Object.keys(MAPS).length &&
    [...services.values()].every((turns) => turns.length > 0)
  )
}

/** By chain: the ports to which its rule redirects, in turn. */
function turnsByChain(parts: NftParts): ReadonlyMap<string, readonly number[]> {
  const turns = new Map<string, readonly number[]>()
  for (const { rule } of parts) {
    for (const { redirect } of rule?.expr ?? []) {
      const set = redirect?.port?.map?.data?.set
      if (Array.isArray(set)) turns.set(rule?.chain ?? '', portsInTurn(set as [number, number][]))
    }
  }
  return turns
}

const portsInTurn = (set: readonly [number, number][]): number[] =>
  [...set].sort(([a], [b]) => a - b).map(([, port]) => port)

/** `127.0.0.1 . 8080`, or `8080`. */
function keyOf(element: unknown): string {
  const [key] = element as [number | { readonly concat: readonly (string | number)[] }]
  return typeof key === 'number' ? `${key}` : key.concat.join(' . ')
}

/** By target port: how many packets the set of this name has counted. */
function counters(parts: NftParts, name: string): ReadonlyMap<number, number> {
  const elements = parts.find(({ set }) => set?.name === name)?.set?.elem ?? []
  const counted = elements.flatMap((element) => {
    const { elem } = element as { elem?: { val: number; counter?: { packets: number } } }
    return elem === undefined ? [] : [[elem.val, elem.counter?.packets ?? 0] as const]
  })
  return new Map(counted)
}
