import { isIP } from 'node:net'
import type { PublishedRoute } from '../../model/step.ts'
import type { SocketRow } from './socket-table.ts'

/** Slots of a route over which its targets are spread; part of the rules, so that a change is only elements. */
export const SLOTS = 64

/** On which of the host's addresses a target takes connections. */
export interface Accepts {
  readonly loopback4: boolean
  readonly every4: boolean
  readonly loopback6: boolean
  readonly every6: boolean
}

/** A route with the targets that it may send to now, as the kernel needs them. */
export interface KernelRoute {
  readonly listen: PublishedRoute['listen']
  readonly targets: readonly { readonly port: number; readonly accepts: Accepts }[]
}

/** What the table should hold. */
export interface WantedTable {
  /** `at4 127.0.0.1 . 8080 . 0` → port. */
  readonly elements: ReadonlyMap<string, number>
  /** Ports of targets, whose connections are counted. */
  readonly ports: ReadonlySet<number>
}

/** What the table holds, read back. */
export interface HeldTable extends Omit<WantedTable, 'ports'> {
  readonly ports: ReadonlyMap<number, { readonly connections: number; readonly refused: number }>
  readonly writer: number | null
  /** Whether its chains and rules are all there. */
  readonly whole: boolean
}

/** `anywhere` is keyed by port alone: such a route is open to every address of the host, also where it means so. */
const MAPS = {
  at4: 'typeof ip daddr . tcp dport . numgen inc mod 64 : tcp dport',
  at6: 'typeof ip6 daddr . tcp dport . numgen inc mod 64 : tcp dport',
  any4: 'typeof tcp dport . numgen inc mod 64 : tcp dport',
  any6: 'typeof tcp dport . numgen inc mod 64 : tcp dport',
} as const

const REDIRECTS = [
  'meta l4proto tcp redirect to : ip daddr . tcp dport . numgen inc mod 64 map @at4',
  'meta l4proto tcp redirect to : ip6 daddr . tcp dport . numgen inc mod 64 map @at6',
  'meta nfproto ipv4 fib daddr type local meta l4proto tcp redirect to : tcp dport . numgen inc mod 64 map @any4',
  'meta nfproto ipv6 fib daddr type local meta l4proto tcp redirect to : tcp dport . numgen inc mod 64 map @any6',
]

/** How long the kernel remembers a connection that has ended, in seconds; its own 120 would fill its table where many are new. */
const REMEMBERED_SECONDS = 10
const FAMILIES = { ip: 'ipv4', ip6: 'ipv6' } as const
const COUNT = ['ct status dnat tcp dport @given']
const COUNT_AND_FORGET = Object.entries(FAMILIES).map(([l3, family]) => {
  return `meta nfproto ${family} ct status dnat tcp dport @given ct timeout set "over_${l3}"`
})

/** Real traffic passes prerouting, that of the machine itself output (where the name `dstnat` is refused). */
const chains = (count: readonly string[]) => ({
  pre: { head: 'type nat hook prerouting priority dstnat', rules: REDIRECTS },
  out: { head: 'type nat hook output priority -100', rules: REDIRECTS },
  // A nat hook sees only the first packet of a connection: counting costs the others nothing. One of the machine itself has passed
  // the source's side of NAT at postrouting and skips input; one from outside is never at postrouting.
  come: { head: 'type nat hook input priority 100', rules: count },
  own: { head: 'type nat hook postrouting priority 100', rules: count },
  // A reset with sequence number 0 answers a connect: nobody listened there.
  refused: {
    head: 'type filter hook output priority 0',
    rules: ['tcp flags == rst|ack tcp sequence 0 tcp sport @refused'],
  },
})
/** `forgets`: whether the kernel can be told how long to remember (nfnetlink_cttimeout); some are built without it. */
const chainsOf = (forgets: boolean) => chains(forgets ? COUNT_AND_FORGET : COUNT)
const ruleCount = (forgets: boolean) =>
  Object.values(chainsOf(forgets)).reduce((sum, { rules }) => sum + rules.length, 0)

/** The table's name in commands. Throws TypeError for an id that could not be part of one. */
export function tableName(instanceId: string): string {
  if (!/^[a-z0-9]{1,32}$/.test(instanceId)) throw new TypeError(`no instance id: ${JSON.stringify(instanceId)}`)
  return `inet naru_${instanceId}`
}

/** Where a target takes connections, by the sockets that listen on its port. A socket on `::` takes IPv4 as well. */
export function acceptsOf(sockets: readonly SocketRow[], port: number): Accepts {
  const locals = sockets.filter((row) => row.state === 'LISTEN' && row.localPort === port).map((row) => row.local)
  const every6 = locals.some((local) => local.length === 32 && /^0+$/.test(local))
  const every4 = every6 || locals.includes('00000000')
  const loopback4 = every4 || locals.some((local) => local === '0100007F' || local === '7F000001')
  const loopback6 = every6 || locals.some((local) => /^0{24}(01000000|00000001)$/.test(local))
  return { loopback4, every4, loopback6, every6 }
}

/**
 * The elements for these routes. `redirect` leads to 127.0.0.1 for connections of the machine itself and to the interface's address for
 * others: a family in which one target of a route would not be reached is left to the userland router, as is a route without a target.
 */
export function wantedTable(routes: readonly KernelRoute[], ports: ReadonlySet<number>): WantedTable {
  const elements = new Map<string, number>()
  for (const { listen, targets } of routes) {
    if (targets.length === 0) continue
    for (const { map, key, needs } of keysOf(listen)) {
      if (!targets.every(({ accepts }) => accepts[needs])) continue
      for (let slot = 0; slot < SLOTS; slot++) {
        const target = targets[slot % targets.length]
        if (target !== undefined)
          elements.set(`${map} ${key}${checkPort(listen.port)} . ${slot}`, checkPort(target.port))
      }
    }
  }
  return { elements, ports: new Set([...ports].map(checkPort)) }
}

/** The one command that makes `held` into `wanted`: one transaction that fails whole when another writer's element is there. null: nothing to do. `forgets`: see there. */
export function tableCommand(
  table: string,
  held: HeldTable | null,
  wanted: WantedTable,
  writer: number,
  forgets = true,
): string | null {
  if (held === null || !held.whole) return buildCommand(table, wanted, writer, forgets)
  const commands: string[] = []
  const gone = [...held.elements].filter(([key, port]) => wanted.elements.get(key) !== port)
  const come = [...wanted.elements].filter(([key, port]) => held.elements.get(key) !== port)
  for (const map of Object.keys(MAPS)) {
    commands.push(...elementCommand('delete', table, map, keysIn(gone, map)))
    commands.push(...elementCommand('add', table, map, pairsIn(come, map)))
  }
  const newPorts = [...wanted.ports].filter((port) => !held.ports.has(port))
  const oldPorts = [...held.ports.keys()].filter((port) => !wanted.ports.has(port))
  for (const set of ['given', 'refused']) {
    commands.push(...elementCommand('delete', table, set, oldPorts.map(String)))
    commands.push(...elementCommand('add', table, set, newPorts.map(String)))
  }
  if (held.writer !== writer) commands.unshift(`flush set ${table} writer`, `add element ${table} writer { ${writer} }`)
  else if (commands.length > 0) {
    commands.unshift(`delete element ${table} writer { ${writer} }`, `add element ${table} writer { ${writer} }`)
  }
  return commands.length === 0 ? null : commands.join('; ')
}

/** Whether the table holds exactly what is wanted. */
export const holds = (held: HeldTable | null, wanted: WantedTable, writer: number): boolean =>
  tableCommand('', held, wanted, writer) === null

/** What `nft -j list table` printed. */
export function parseTable(printed: unknown): HeldTable {
  const parts = (printed as { readonly nftables: readonly Readonly<Record<string, NftPart>>[] }).nftables
  const elements = new Map<string, number>()
  const counted: Record<string, Map<number, number>> = { given: new Map(), refused: new Map() }
  let writer: number | null = null
  for (const { map, set } of parts) {
    for (const element of map?.elem ?? []) {
      const [key, port] = element as [{ concat: (string | number)[] }, number]
      elements.set(`${map?.name} ${key.concat.join(' . ')}`, port)
    }
    if (set?.name === 'writer') writer = Number(set.elem?.[0] ?? 0)
    else for (const element of set?.elem ?? []) noteCounter(counted[set?.name ?? ''], element)
  }
  const ports = new Map(
    [...(counted.given ?? [])].map(([port, connections]) => {
      return [port, { connections, refused: counted.refused?.get(port) ?? 0 }] as const
    }),
  )
  return { elements, ports, writer, whole: writer !== null && isWhole(parts) }
}

function isWhole(parts: readonly Readonly<Record<string, NftPart>>[]): boolean {
  const count = (kind: string) => parts.filter((part) => part[kind] !== undefined).length
  const forgets = count('ct timeout') > 0
  return (
    count('rule') === ruleCount(forgets) &&
    count('chain') === Object.keys(chainsOf(forgets)).length &&
    count('map') === Object.keys(MAPS).length
  )
}

interface NftPart {
  readonly name: string
  readonly elem?: readonly unknown[]
}

function noteCounter(into: Map<number, number> | undefined, element: unknown): void {
  const { elem } = element as { elem?: { val: number; counter?: { packets: number } } }
  if (elem !== undefined) into?.set(elem.val, elem.counter?.packets ?? 0)
}

/** The whole table anew, in place of what may be left of it. */
function buildCommand(table: string, wanted: WantedTable, writer: number, forgets: boolean): string {
  const commands = [`add table ${table}`, `delete table ${table}`, `add table ${table}`]
  for (const [map, type] of Object.entries(MAPS)) commands.push(`add map ${table} ${map} { ${type} ; }`)
  commands.push(`add set ${table} writer { type mark ; }`, `add element ${table} writer { ${writer} }`)
  for (const set of ['given', 'refused']) commands.push(`add set ${table} ${set} { type inet_service ; counter ; }`)
  if (forgets) {
    const policy = `policy = { time_wait : ${REMEMBERED_SECONDS} }`
    for (const l3 of Object.keys(FAMILIES))
      commands.push(`add ct timeout ${table} over_${l3} { protocol tcp ; l3proto ${l3} ; ${policy} ; }`)
  }
  for (const [chain, { head, rules }] of Object.entries(chainsOf(forgets))) {
    commands.push(`add chain ${table} ${chain} { ${head} ; }`)
    for (const rule of rules) commands.push(`add rule ${table} ${chain} ${rule}`)
  }
  for (const map of Object.keys(MAPS)) {
    commands.push(...elementCommand('add', table, map, pairsIn([...wanted.elements], map)))
  }
  for (const set of ['given', 'refused'])
    commands.push(...elementCommand('add', table, set, [...wanted.ports].map(String)))
  return commands.join('; ')
}

type Needs = keyof Accepts

/** In which maps an address has its keys, and what a target must take for it. None: the userland router alone does it. */
function keysOf({ host }: PublishedRoute['listen']): { map: keyof typeof MAPS; key: string; needs: Needs }[] {
  if (host === '0.0.0.0') return [{ map: 'any4', key: '', needs: 'every4' }]
  if (isIP(host) === 4)
    return [{ map: 'at4', key: `${host} . `, needs: host.startsWith('127.') ? 'loopback4' : 'every4' }]
  if (isIP(host) !== 6 || host.includes('%') || host.includes('.')) return []
  const canonical = new URL(`http://[${host}]`).hostname.slice(1, -1)
  if (canonical === '::') {
    return [
      { map: 'any6', key: '', needs: 'every6' },
      { map: 'any4', key: '', needs: 'every4' },
    ]
  }
  return [{ map: 'at6', key: `${canonical} . `, needs: canonical === '::1' ? 'loopback6' : 'every6' }]
}

type Pair = readonly [string, number]

const keysIn = (elements: readonly Pair[], map: string) =>
  elements.filter(([key]) => key.startsWith(`${map} `)).map(([key]) => key.slice(map.length + 1))

const pairsIn = (elements: readonly Pair[], map: string) =>
  elements.filter(([key]) => key.startsWith(`${map} `)).map(([key, port]) => `${key.slice(map.length + 1)} : ${port}`)

const elementCommand = (verb: 'add' | 'delete', table: string, set: string, elements: readonly string[]) =>
  elements.length === 0 ? [] : [`${verb} element ${table} ${set} { ${elements.join(' , ')} }`]

/** What goes to a program's stdin is checked where it is written: numbers and addresses only. */
function checkPort(port: number): number {
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw new TypeError(`no port: ${port}`)
}
