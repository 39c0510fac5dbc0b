import { lstat, mkdir, readdir } from 'node:fs/promises'
import { join, matchesGlob } from 'node:path'
import type { Report } from '../../model/event.ts'
import { DeployError } from '../../model/failure.ts'
import { nameOf, parentOf } from '../image/file-tree.ts'
import { unpackZip } from './unpack-zip.ts'

/**
 * Unpacks jars, WARs and other zip files of a work tree into new folders of it: `build.unpack`, archive → folder, both from the root.
 * The name of the archive may have `*`, and must fit exactly one. No link is followed. Throws BUILD_COPY_SOURCE_MISSING,
 * BUILD_PATH_ESCAPES, BUILD_SOURCE_INVALID, DISK_FULL.
 */
export async function unpackArchives(
  root: string,
  archives: Readonly<Record<string, string>>,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  for (const [pattern, folder] of Object.entries(archives)) {
    const archive = await findOne(root, pattern)
    const found = await lstat(join(root, folder)).catch(() => null)
    if (found !== null) throw refused(`build.unpack: ${folder} is there already`, 'Name a folder that is not there.')
    await makeFolders(root, parentOf(folder))
    report({ kind: 'log', from: 'build.unpack', line: `${archive} → ${folder}/` })
    try {
      await unpackZip(join(root, archive), join(root, folder), signal)
    } catch (failed) {
      if (!(failed instanceof DeployError) || failed.code !== 'BUILD_SOURCE_INVALID') throw failed
      throw new DeployError(failed.code, `${archive}: ${failed.message}`, { hint: failed.hint, cause: failed })
    }
  }
}

async function findOne(root: string, pattern: string): Promise<string> {
  const folder = parentOf(pattern)
  await checkFolders(root, folder)
  const names = await readdir(join(root, folder)).catch(() => [])
  const fitting = names.filter((name) => name === nameOf(pattern) || matchesGlob(name, nameOf(pattern))).sort()
  const [first] = fitting
  if (first === undefined || fitting.length > 1) {
    const found = fitting.length === 0 ? 'nothing' : fitting.slice(0, 5).join(', ')
    throw new DeployError('BUILD_COPY_SOURCE_MISSING', `build.unpack: ${pattern} fits ${found}`, {
      hint: 'It has to fit exactly one file. Is it made by build.run, and where?',
    })
  }
  const path = folder === '' ? first : `${folder}/${first}`
  if ((await lstat(join(root, path))).isFile()) return path
  throw refused(`build.unpack: ${path} is no file`, 'Name a jar, a WAR or another zip file; links are not followed.')
}

async function makeFolders(root: string, folder: string): Promise<void> {
  await checkFolders(root, folder)
  await mkdir(join(root, folder), { recursive: true })
}

/** A part of the path that is a link could lead out of the tree. */
async function checkFolders(root: string, folder: string): Promise<void> {
  const parts = folder === '' ? [] : folder.split('/')
  for (const [index] of parts.entries()) {
    const path = parts.slice(0, index + 1).join('/')
    const found = await lstat(join(root, path)).catch(() => null)
    if (found === null) return
    if (found.isDirectory()) continue
    throw new DeployError('BUILD_PATH_ESCAPES', `build.unpack: ${path} is no folder`, {
      hint: 'Links are not followed here: name the folder itself.',
    })
  }
}

const refused = (message: string, hint: string) => new DeployError('BUILD_SOURCE_INVALID', message, { hint })
