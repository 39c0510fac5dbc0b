import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'

const LS_TIMEOUT_MS = 1000

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

/** The ports that these processes listen on, ascending. Where another user's processes may not be looked into: none. */
export function listeningPorts(pids: readonly number[]): number[] {
  const inodes = new Set(pids.flatMap(socketInodes))
  const ports = tcpSockets()
    .filter((socket) => socket.state === LISTEN && inodes.has(socket.inode))
    .map(({ localPort }) => localPort)
  return [...new Set(ports)].sort((a, b) => a - b)
}

function socketInodes(pid: number): number[] {
  return descriptorsOf(pid).flatMap((target) => {
    const inode = /\bsocket:\[(\d+)\]$/.exec(target)?.[1]
    return inode === undefined ? [] : [Number(inode)]
  })
}

/** What the descriptors of a process lead to. */
function descriptorsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`
  try {
    return readdirSync(folder).flatMap((name) => linkTarget(`${folder}/${name}`))
  } catch (failed) {
    const isDenied = ['EACCES', 'EPERM'].includes((failed as NodeJS.ErrnoException).code ?? '')
    return isDenied && process.geteuid?.() === 0 ? descriptorsAsOwner(pid, folder) : []
  }
}

/** Root in a container without CAP_SYS_PTRACE may not look into another user's process, but may become that user. */
function descriptorsAsOwner(pid: number, folder: string): string[] {
  const owner = statSync(`/proc/${pid}`, { throwIfNoEntry: false })
  if (owner === undefined) return []
  const { uid, gid } = owner
  const options = {
    uid,
    gid,
    encoding: 'utf8',
    timeout: LS_TIMEOUT_MS,
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
  } as const
  return spawnSync('ls', ['-l', '--', folder], options).stdout?.split('\n') ?? []
}

function linkTarget(path: string): string[] {
  try {
    return [readlinkSync(path)]
  } catch (failed) {
    if ((failed as NodeJS.ErrnoException).code === 'ENOENT') return [] // closed meanwhile
    throw failed
  }
}
