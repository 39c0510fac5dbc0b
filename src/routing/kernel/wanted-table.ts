import { isIP } from 'node:net'
import type { PublishedRoute } from '../../model/step.ts'
import type { Accepts } from './accepts.ts'

/** The maps of the table: routes on one address, and routes on every address of the host, of both families. */
export const MAPS = {
  at4: 'typeof ip daddr . tcp dport : verdict',
  at6: 'typeof ip6 daddr . tcp dport : verdict',
  any4: 'typeof tcp dport : verdict',
  any6: 'typeof tcp dport : verdict',
} as const

/** A route with the targets that it may send to now, as the kernel needs them. */
export interface KernelRoute {
  readonly listen: PublishedRoute['listen']
  readonly targets: readonly { readonly port: number; readonly accepts: Accepts }[]
}

/** What the table should hold. */
export interface WantedTable {
  /** `at4 127.0.0.1 . 8080` → the ports that take turns. */
  readonly services: ReadonlyMap<string, readonly number[]>
  /** Ports of targets, whose connections are counted. */
  readonly ports: ReadonlySet<number>
}

/** What the table holds, read back. */
export interface HeldTable extends Omit<WantedTable, 'ports'> {
  readonly ports: ReadonlyMap<number, { readonly connections: number; readonly refused: number }>
  readonly writer: number | null
  /** Whether its chains and rules are all there, and each leads where it should. */
  readonly whole: boolean
}

/**
 * The services for these routes. `redirect` leads to 127.0.0.1 for connections of the machine itself and to the interface's address for
 * others: a family in which one target of a route would not be reached is left to the userland router, as is a route without a target.
 */
export function wantedTable(routes: readonly KernelRoute[], ports: ReadonlySet<number>): WantedTable {
  const services = new Map<string, readonly number[]>()
  for (const { listen, targets } of routes) {
    if (targets.length === 0) continue
    for (const { map, key, needs } of keysOf(listen)) {
      if (!targets.every(({ accepts }) => accepts[needs])) continue
      const turns = targets.map(({ port }) => checkPort(port))
      services.set(`${map} ${key}${checkPort(listen.port)}`, turns)
    }
  }
  return { services, ports: new Set([...ports].map(checkPort)) }
}

/** In which maps an address has its keys, and what a target must take for it. None: the userland router alone does it. */
function keysOf({ host }: PublishedRoute['listen']): {
  map: keyof typeof MAPS
  key: string
  needs: keyof Accepts
}[] {
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

/** What goes to a program's stdin is checked where it is written: numbers and addresses only. */
function checkPort(port: number): number {
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw new TypeError(`no port: ${port}`)
}
