import type { SocketRow } from './socket-table.ts'

/** On which of the host's addresses a target takes connections. */
export interface Accepts {
  readonly loopback4: boolean
  readonly every4: boolean
  readonly loopback6: boolean
  readonly every6: boolean
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
