import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

const ESTABLISHED = 0x01
const LISTEN = 0x0a

/** One row of /proc/net/tcp or tcp6 (proc_net_tcp of the kernel's documentation). */
interface TcpSocket {
  readonly localPort: number
  readonly state: number
  readonly inode: number
}

/** All TCP sockets of this network namespace, both families. */
function tcpSockets(): TcpSocket[] {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap(parseTable)
}

function parseTable(path: string): TcpSocket[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return [] // a kernel without IPv6 has no tcp6; a chroot without /proc has neither
  }
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/)
      const [local, state, inode] = [fields[1], fields[3], fields[9]]
      if (local === undefined || state === undefined || inode === undefined) return []
      const localPort = Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16)
      return [{ localPort, state: Number.parseInt(state, 16), inode: Number(inode) }]
    })
}

/** Open connections that came to this local port. */
export function establishedOn(port: number): number {
  return tcpSockets().filter((socket) => socket.state === ESTABLISHED && socket.localPort === port).length
}

/** Every local port that some socket has, in any state: not free to give away. */
export function usedPorts(): Set<number> {
  return new Set(tcpSockets().map(({ localPort }) => localPort))
}

/** The ports that these processes listen on, ascending. Descriptors of another user's processes cannot be read: then none. */
export function listeningPorts(pids: readonly number[]): number[] {
  const inodes = new Set(pids.flatMap(socketInodes))
  const ports = tcpSockets()
    .filter((socket) => socket.state === LISTEN && inodes.has(socket.inode))
    .map(({ localPort }) => localPort)
  return [...new Set(ports)].sort((a, b) => a - b)
}

function socketInodes(pid: number): number[] {
  let names: string[]
  try {
    names = readdirSync(`/proc/${pid}/fd`)
  } catch {
    return []
  }
  return names.flatMap((name) => {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${name}`))?.[1]
      return inode === undefined ? [] : [Number(inode)]
    } catch {
      return []
    }
  })
}
