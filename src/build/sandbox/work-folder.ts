import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../../os/atomic-file.ts'
import { bootId, identify, isAlive } from '../../os/process-identity.ts'
import { DEVICES } from './sandbox-mounts.ts'

/** The folder of one RUN while it runs, named by the process that owns it: what a killed one left is known by that. */
export class WorkFolder {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static async make(parent: string): Promise<WorkFolder> {
    const folder = new WorkFolder(await ownFolder(parent))
    for (const name of ['private', 'root', 'upper', 'overlay', 'layers', 'stubs']) await mkdir(folder.at(name))
    for (const name of ['upper', 'stubs', 'root']) await chmod(folder.at(name), 0o755)
    await folder.#makeDevices()
    return folder
  }

  at(name: string): string {
    return join(this.path, name)
  }

  /** Short names for lower folders: all options of a mount have 4 KB. */
  async name(lowers: readonly string[]): Promise<readonly string[]> {
    await Promise.all(lowers.map((lower, index) => symlink(lower, this.at(`layers/${index}`))))
    return ['stubs', ...lowers.map((_, index) => `layers/${index}`)]
  }

  /** What has to be there to mount something, where no image is. */
  async plainMountPoints(): Promise<void> {
    for (const name of ['proc', 'sys', 'dev']) await mkdir(this.at(`stubs/${name}`))
  }

  async #makeDevices(): Promise<void> {
    for (const name of ['dev/pts', 'dev/shm', 'dev/mqueue', 'dev/pipes'])
      await mkdir(this.at(name), { recursive: true })
    for (const name of ['dev', 'dev/pipes']) await chmod(this.at(name), 0o755)
    for (const name of DEVICES) await writeFile(this.at(`dev/${name}`), '')
    const links = {
      fd: '/proc/self/fd',
      stdin: '/proc/self/fd/0',
      stdout: '/proc/self/fd/1',
      stderr: '/proc/self/fd/2',
      ptmx: 'pts/ptmx',
    }
    for (const [name, target] of Object.entries(links)) await symlink(target, this.at(`dev/${name}`))
  }
}

/** A new folder that is known to be this process's own, as long as it lives. */
export async function ownFolder(parent: string): Promise<string> {
  const me = identify(process.pid)
  await makeFolder(parent, 0o700)
  const path = join(parent, [me?.pid, me?.startTicks, bootId(), randomBytes(6).toString('hex')].join('_'))
  await mkdir(path)
  return path
}

/** Removes the folders of processes that are gone. */
export async function sweepWorkFolders(parent: string, remove: (path: string) => Promise<void>): Promise<void> {
  for (const name of await readdir(parent).catch(() => [])) {
    const [pid, startTicks, boot = ''] = name.split('_')
    if (!isAlive({ pid: Number(pid), startTicks: Number(startTicks), bootId: boot })) await remove(join(parent, name))
  }
}
