import { readFile, readdir, readlink } from 'node:fs/promises'
import { readListening } from '../kernel/socket-table.ts'

/** Who listens on a port: `nginx (pid 812)`; null: it cannot be found (another user's process, or another namespace). */
export async function portOwner(port: number): Promise<string | null> {
  const inodes = new Set<string>()
  for (const socket of await readListening(port)) {
    inodes.add(`socket:[${socket.inode}]`)
  }
  if (inodes.size === 0) return null
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  for (const pid of pids) {
    if (await holds(pid, inodes)) return `${await programOf(pid)} (pid ${pid})`
  }
  return null
}

async function holds(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  const names = await readdir(`/proc/${pid}/fd`).catch(() => [])
  for (const name of names) {
    const link = await readlink(`/proc/${pid}/fd/${name}`).catch(() => '')
    if (inodes.has(link)) return true
  }
  return false
}

const programOf = async (pid: string): Promise<string> =>
  (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'a process')).trim()
