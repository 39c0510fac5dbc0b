import { readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'

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

/**
 * Every TCP socket of this network namespace with one of these local ports, of both families. The kernel walks its whole table (some ms)
 * and gives one page per read: with 30,000 closed connections that is a thousand reads, which a pool of threads makes 0.7 s long on a
 * busy machine. So it is read in one go; the kernel's data path does not wait for this process.
 */
export function readSockets(ports: ReadonlySet<number>): readonly SocketRow[] {
  return FILES.flatMap((path) => parseSockets(readNow(path), ports))
}

/** Those that listen. The kernel names them first: reading ends there, which is much cheaper. */
export async function readListening(port: number): Promise<readonly SocketRow[]> {
  const texts = await Promise.all(FILES.map((path) => readListeningPart(path).catch(() => '')))
  return texts.flatMap((text) => parseSockets(text, new Set([port]))).filter(({ state }) => state === 'LISTEN')
}

/** The rows of one /proc/net/tcp file: `sl: local:port remote:port state tx:rx tr:when retrnsmt uid timeout inode …`. */
export function parseSockets(text: string, ports: ReadonlySet<number>): readonly SocketRow[] {
  if (ports.size === 0) return []
  // One pass in the regular expression: the file may hold many thousands of rows that are not wanted.
  const wanted = [...ports].map((port) => port.toString(16).toUpperCase().padStart(4, '0')).join('|')
  const row = new RegExp(
    `^ *\\d+: ([0-9A-F]+):(${wanted}) [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]{2}) ([0-9A-F]+:[0-9A-F]+) \\S+ +\\S+ +\\d+ +\\d+ (\\d+)`,
    'gm',
  )
  const rows: SocketRow[] = []
  for (const [, local = '', localPort = '', remotePort = '', state = '', queues, inode = ''] of text.matchAll(row)) {
    rows.push({
      local,
      localPort: Number.parseInt(localPort, 16),
      remotePort: Number.parseInt(remotePort, 16),
      state: STATES[state] ?? 'other',
      queued: queues !== '00000000:00000000',
      inode,
    })
  }
  return rows
}

function readNow(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

const FILES = ['/proc/net/tcp', '/proc/net/tcp6']

async function readListeningPart(path: string): Promise<string> {
  const file = await open(path, 'r')
  try {
    let text = ''
    for await (const chunk of file.createReadStream({ encoding: 'latin1', autoClose: false })) {
      text += chunk as string
      if (NOT_LISTENING.test(text)) break
    }
    return text
  } finally {
    await file.close()
  }
}

const NOT_LISTENING = /^ *\d+: \S+ \S+ (?!0A)/m
