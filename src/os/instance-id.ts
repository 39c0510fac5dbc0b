import { randomBytes } from 'node:crypto'
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, syncFolder } from './atomic-file.ts'

const ID = /^[0-9a-f]{8}$/

/**
 * The id of a data folder: 8 hex digits, made once and kept in `folder/id`. Every name that we make in the kernel (nft
 * table, cgroup, mount) carries it, so that several instances on a machine never meet (design.md section 6). Two callers at
 * once get the same id: the first `link` wins.
 */
export async function instanceId(folder: string): Promise<string> {
  const path = join(folder, 'id')
  const existing = await read(path)
  if (existing !== null) return existing
  await makeFolder(folder)
  const id = randomBytes(4).toString('hex')
  const temporary = `${path}.${id}.tmp`
  await writeFile(temporary, `${id}\n`, { flush: true, flag: 'wx' })
  try {
    await link(temporary, path)
    await syncFolder(folder)
    return id
  } catch (failed) {
    if ((failed as NodeJS.ErrnoException).code !== 'EEXIST') throw failed
    return (await read(path)) ?? id
  } finally {
    await rm(temporary, { force: true })
  }
}

async function read(path: string): Promise<string | null> {
  try {
    const id = (await readFile(path, 'utf8')).trim()
    if (ID.test(id)) return id
    throw new Error(`${path} does not hold an instance id of 8 hex digits`)
  } catch (failed) {
    if ((failed as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw failed
  }
}
