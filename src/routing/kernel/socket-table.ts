import { readFile } from 'node:fs/promises'

/** States of /proc/net/tcp that say something here (include/net/tcp_states.h); the rest is `other`. */
const STATES: Readonly<Record<string, SocketRow['state']>> = {
  '01': 'ESTABLISHED',
  '04': 'FIN_WAIT1',
  '08': 'CLOSE_WAIT',
  '0A': 'LISTEN',
}

/** One TCP socket of this network namespace. */
export interface SocketRow {
  /** The local address as /proc writes it: hexadecimal, each 32-bit word in the machine's order. */
  readonly local: string
  readonly localPort: number
  readonly remotePort: number
  readonly state: 'ESTABLISHED' | 'FIN_WAIT1' | 'CLOSE_WAIT' | 'LISTEN' | 'other'
  /** Whether bytes wait to be sent or to be read. A listening socket: connections that nobody has accepted. */
  readonly queued: boolean
  readonly inode: string
}

/** Every TCP socket of this network namespace, of both families. `ports`: only of these local ports. */
export async function readSockets(ports?: ReadonlySet<number>): Promise<readonly SocketRow[]> {
  const texts = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'latin1').catch(() => '')),
  )
  return texts.flatMap((text) => parseSockets(text, ports))
}

/** The rows of one /proc/net/tcp file: `sl local:port remote:port st tx:rx tr:when retrnsmt uid timeout inode …`. */
export function parseSockets(text: string, ports?: ReadonlySet<number>): readonly SocketRow[] {
  const rows: SocketRow[] = []
  for (const line of text.split('\n')) {
    const [, local = '', remote = '', state = '', queues = '', , , , , inode = ''] = line.trim().split(/ +/)
    const colon = local.indexOf(':')
    if (colon < 0) continue
    const localPort = Number.parseInt(local.slice(colon + 1), 16)
    if (ports !== undefined && !ports.has(localPort)) continue
    rows.push({
      local: local.slice(0, colon),
      localPort,
      remotePort: Number.parseInt(remote.slice(remote.indexOf(':') + 1), 16),
      state: STATES[state] ?? 'other',
      queued: queues !== '00000000:00000000',
      inode,
    })
  }
  return rows
}
