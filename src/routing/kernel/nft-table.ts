import { type HeldTable, MAPS, type WantedTable } from './wanted-table.ts'

/**
 * A service has a chain of its own, so that its targets take turns over its connections alone: `numgen` counts what reaches its rule.
 * `any…` are keyed by port alone: such a route is open to every address of the host, also where it means so.
 */
const DISPATCH = [
  'ip daddr . tcp dport vmap @at4',
  'ip6 daddr . tcp dport vmap @at6',
  'meta nfproto ipv4 fib daddr type local tcp dport vmap @any4',
  'meta nfproto ipv6 fib daddr type local tcp dport vmap @any6',
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
  pre: { head: 'type nat hook prerouting priority dstnat', rules: DISPATCH },
  out: { head: 'type nat hook output priority -100', rules: DISPATCH },
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

/** Chains and rules of a table without services. */
export const chainCount = Object.keys(chainsOf(false)).length
export const ruleCount = (forgets: boolean) =>
  Object.values(chainsOf(forgets)).reduce((sum, { rules }) => sum + rules.length, 0)

/** The table's name in commands. Throws TypeError for an id that could not be part of one. */
export function tableName(instanceId: string): string {
  if (!/^[a-z0-9]{1,32}$/.test(instanceId)) throw new TypeError(`no instance id: ${JSON.stringify(instanceId)}`)
  return `inet naru_${instanceId}`
}

/** The chain of a service: `at4_127_0_0_1_8080`. Two services never have the same one. */
export const serviceChain = (service: string): string => service.replaceAll(' . ', '_').replaceAll(/[^a-z0-9]/g, '_')

/** The one command that makes `held` into `wanted`: one transaction that fails whole when another writer's element is there. null: nothing to do. `forgets`: see there. */
export function tableCommand(
  table: string,
  held: HeldTable | null,
  wanted: WantedTable,
  writer: number,
  forgets = true,
): string | null {
  if (held === null || !held.whole) return buildCommand(table, wanted, writer, forgets)
  const commands = [...serviceCommands(table, held, wanted), ...portCommands(table, held, wanted)]
  if (held.writer !== writer) commands.unshift(`flush set ${table} writer`, `add element ${table} writer { ${writer} }`)
  else if (commands.length > 0) commands.unshift(touchCommand(table, writer))
  return commands.length === 0 ? null : commands.join('; ')
}

/** Changes nothing, is heard by a monitor, and fails when another writer's element is there. */
export const touchCommand = (table: string, writer: number): string =>
  `delete element ${table} writer { ${writer} }; add element ${table} writer { ${writer} }`

/** Whether the table holds exactly what is wanted. */
export const holds = (held: HeldTable | null, wanted: WantedTable, writer: number): boolean =>
  tableCommand('', held, wanted, writer) === null

function serviceCommands(table: string, held: HeldTable, wanted: WantedTable): string[] {
  const commands: string[] = []
  for (const service of held.services.keys()) {
    if (!wanted.services.has(service)) commands.push(...withdraw(table, service))
  }
  for (const [service, turns] of wanted.services) {
    const now = held.services.get(service)
    if (now === undefined) commands.push(...lead(table, service, turns))
    else if (now.join() !== turns.join()) commands.push(`flush ${chainOf(table, service)}`, turn(table, service, turns))
  }
  return commands
}

function portCommands(table: string, held: HeldTable, wanted: WantedTable): string[] {
  const newPorts = [...wanted.ports].filter((port) => !held.ports.has(port))
  const oldPorts = [...held.ports.keys()].filter((port) => !wanted.ports.has(port))
  return COUNTED.flatMap((set) => [
    ...elementCommand('delete', table, set, oldPorts.map(String)),
    ...elementCommand('add', table, set, newPorts.map(String)),
  ])
}

/** The whole table anew, in place of what may be left of it. */
function buildCommand(table: string, wanted: WantedTable, writer: number, forgets: boolean): string {
  const commands = [`add table ${table}`, `delete table ${table}`, `add table ${table}`]
  for (const [map, type] of Object.entries(MAPS)) commands.push(`add map ${table} ${map} { ${type} ; }`)
  commands.push(`add set ${table} writer { type mark ; }`, `add element ${table} writer { ${writer} }`)
  for (const set of COUNTED) commands.push(`add set ${table} ${set} { type inet_service ; counter ; }`)
  if (forgets) {
    const policy = `policy = { time_wait : ${REMEMBERED_SECONDS} }`
    for (const l3 of Object.keys(FAMILIES))
      commands.push(`add ct timeout ${table} over_${l3} { protocol tcp ; l3proto ${l3} ; ${policy} ; }`)
  }
  for (const [chain, { head, rules }] of Object.entries(chainsOf(forgets))) {
    commands.push(`add chain ${table} ${chain} { ${head} ; }`)
    for (const rule of rules) commands.push(`add rule ${table} ${chain} ${rule}`)
  }
  for (const [service, turns] of wanted.services) commands.push(...lead(table, service, turns))
  for (const set of COUNTED) commands.push(...elementCommand('add', table, set, [...wanted.ports].map(String)))
  return commands.join('; ')
}

/** Sets of target ports with a counter each. */
const COUNTED = ['given', 'refused']

const chainOf = (table: string, service: string) => `chain ${table} ${serviceChain(service)}`

/** A service that was not there. */
function lead(table: string, service: string, turns: readonly number[]): string[] {
  const [map = '', ...key] = service.split(' ')
  const element = `${key.join(' ')} : goto ${serviceChain(service)}`
  return [
    `add ${chainOf(table, service)}`,
    turn(table, service, turns),
    ...elementCommand('add', table, map, [element]),
  ]
}

function withdraw(table: string, service: string): string[] {
  const [map = '', ...key] = service.split(' ')
  const chain = chainOf(table, service)
  return [...elementCommand('delete', table, map, [key.join(' ')]), `flush ${chain}`, `delete ${chain}`]
}

const turn = (table: string, service: string, turns: readonly number[]): string => {
  const ports = turns.map((port, at) => `${at} : ${port}`).join(' , ')
  const redirect = `redirect to : numgen inc mod ${turns.length} map { ${ports} }`
  return `add rule ${table} ${serviceChain(service)} meta l4proto tcp ${redirect}`
}

const elementCommand = (verb: 'add' | 'delete', table: string, set: string, elements: readonly string[]) =>
  elements.length === 0 ? [] : [`${verb} element ${table} ${set} { ${elements.join(' , ')} }`]
