import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/**
 * What a data folder still has on the machine: processes that were started from it or see its files, mounts, nft tables and
 * cgroups with its id, and the folder itself. Empty: nothing.
 */
export function leftovers(folder: string, instanceId: string): string[] {
  return [
    ...processesOf(folder).map(({ pid, command }) => `process ${pid}: ${command}`),
    ...mounts(folder),
    ...nftTables(instanceId),
    ...cgroups(instanceId),
    ...[folder, `/dev/shm/naru-${instanceId}`].filter((path) => existsSync(path)).map(shown),
  ]
}

/** A folder with the first of what is in it: tells who wrote there. */
function shown(path: string): string {
  const entries = readdirSync(path, { recursive: true }).slice(0, 20)
  return `folder ${path}: ${entries.join(' ')}`
}

export interface Found {
  readonly pid: number
  readonly command: string
}

/** Processes that name the folder in their arguments, stand or are rooted in it, or have it mounted, and their descendants. */
export function processesOf(folder: string): Found[] {
  const all = readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid)
    .flatMap((pid) => {
      const [, state = 'X', parent] = /^\d+ \(.*\) (\S) (\d+) /s.exec(read(`/proc/${pid}/stat`)) ?? []
      if (state === 'Z' || state === 'X') return []
      const command = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()
      return [{ pid, parent: Number(parent), command, isOurs: isOf(folder, pid, command) }]
    })
  const ours = new Set(all.filter(({ isOurs }) => isOurs).map(({ pid }) => pid))
  // A replica sees nothing of the folder: only its parent, which waits for it, tells whose it is.
  for (let size = -1; size !== ours.size; ) {
    size = ours.size
    for (const { pid, parent } of all) if (ours.has(parent)) ours.add(pid)
  }
  return all.filter(({ pid }) => ours.has(pid)).map(({ pid, command }) => ({ pid, command }))
}

function isOf(folder: string, pid: number, command: string): boolean {
  const names = (text: string) => text.includes(`${folder}/`) || text.split(' ').includes(folder)
  if ([command, link(pid, 'cwd'), link(pid, 'root')].some(names)) return true
  // The machine's own mount table names mounts of everybody: only a namespace of its own tells something.
  return link(pid, 'ns/mnt') !== link(process.pid, 'ns/mnt') && names(read(`/proc/${pid}/mountinfo`))
}

function mounts(folder: string): string[] {
  const table = read('/proc/self/mountinfo').split('\n')
  return table.filter((line) => line.includes(`${folder}/`)).map((line) => `mount ${line.split(' ')[4]}`)
}

function nftTables(instanceId: string): string[] {
  try {
    const options = { env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` }, stdio: 'pipe' } as const
    const tables = execFileSync('nft', ['list', 'tables'], options).toString('utf8')
    return tables.split('\n').filter((line) => line.includes(instanceId))
  } catch {
    return [] // not root, or no nft: then there is none
  }
}

/** Two levels: cgroup v1 has a folder for each controller, v2 has none. */
function cgroups(instanceId: string): string[] {
  const root = '/sys/fs/cgroup'
  const folders = (path: string) => {
    try {
      return readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    } catch {
      return []
    }
  }
  const found = folders(root).flatMap(({ name }) => [
    join(root, name),
    ...folders(join(root, name)).map((inner) => join(root, name, inner.name)),
  ])
  return found.filter((path) => path.includes(instanceId)).map((path) => `cgroup ${path}`)
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function link(pid: number, name: string): string {
  try {
    return readlinkSync(`/proc/${pid}/${name}`)
  } catch {
    return ''
  }
}
