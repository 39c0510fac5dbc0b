import { closeSync, existsSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../../../os/atomic-file.ts'
import { run } from '../../../os/run.ts'
import { DEVICES } from './start/mount-table.ts'
import { removeTree } from './layers/remove-tree.ts'
import { TOOL_ENV, type Tools } from './start/tools.ts'

/** Numbers of Linux' memory devices and of the terminal (Documentation/admin-guide/devices.txt). */
const NUMBERS: Readonly<Record<(typeof DEVICES)[number], readonly [string, string]>> = {
  null: ['1', '3'],
  zero: ['1', '5'],
  full: ['1', '7'],
  random: ['1', '8'],
  urandom: ['1', '9'],
  tty: ['5', '0'],
}

/** Makes device nodes in a folder once, to be linked into each replica's /dev. False: not allowed here, or they cannot be opened; the folder is then empty. */
export async function makeDeviceNodes(folder: string, tools: Tools, signal: AbortSignal): Promise<boolean> {
  await makeFolder(folder, 0o755)
  for (const name of DEVICES) {
    if (existsSync(join(folder, name))) continue
    const args = ['-m', '666', '--', join(folder, name), 'c', ...NUMBERS[name]]
    const done =
      tools.mknod !== null && (await run(tools.mknod, args, { env: TOOL_ENV, timeoutMs: 10_000, signal })).code === 0
    if (!done) return false
  }
  return canOpen(join(folder, 'null')) || forget(folder)
}

/** A file system mounted with nodev has nodes that nobody can open. */
function canOpen(path: string): boolean {
  try {
    closeSync(openSync(path, 'r+'))
    return true
  } catch {
    return false
  }
}

function forget(folder: string): false {
  for (const name of DEVICES) removeTree(join(folder, name))
  return false
}
