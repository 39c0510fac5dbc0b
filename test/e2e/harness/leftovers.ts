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
    ...(existsSync(folder) ? [`folder ${folder}`] : []),
  ]
}

export interface Found {
  readonly pid: number
  readonly command: string
}

/** Processes that name the folder in their arguments, stand or are rooted in it, or have it mounted. */
export function processesOf(folder: string): Found[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid)
    .flatMap((pid) => {
      const command = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()
      const isZombie = /^\d+ \(.*\) [ZX] /s.test(read(`/proc/${pid}/stat`))
      const places = [command, link(pid, 'cwd'), link(pid, 'root'), read(`/proc/${pid}/mountinfo`)]
      const isOurs = !isZombie && places.some((text) => text.includes(`${folder}/`) || text.endsWith(folder))
      // The machine's own mount table names mounts of everybody: only a namespace of its own tells something.
      const sharesMounts = link(pid, 'ns/mnt') === link(process.pid, 'ns/mnt')
      const byMount = !places.slice(0, 3).some((text) => text.includes(folder))
      return isOurs && !(sharesMounts && byMount) ? [{ pid, command }] : []
    })
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
