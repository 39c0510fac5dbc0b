import { createHash } from 'node:crypto'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readUpperArchive } from '../../../src/build/run/kept/upper-archive.ts'

/** A root file system as text: path → type, mode, owner, content, links and attributes; no times. */
export type Flattened = Readonly<Record<string, string>>

/** Reads an unpacked root file system by GNU tar, which sees attributes and hard links. */
export async function flatten(folder: string): Promise<Flattened> {
  const args = [
    '-c',
    '--format=posix',
    '--xattrs',
    '--xattrs-include=*',
    '--sort=name',
    '--numeric-owner',
    '-C',
    folder,
    '.',
  ]
  const tar = spawn('tar', args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' },
  })
  const found: Record<string, string> = {}
  const files: { path: string; hash: ReturnType<typeof createHash> }[] = []
  await readUpperArchive(tar.stdout, (entry) => {
    const { path, kind, mode, uid, gid, size, link, xattrs } = entry
    const attributes = [...xattrs].filter(([name]) => name !== 'user.rootlesscontainers').sort()
    const rest = attributes.length === 0 ? '' : ` ${Buffer.from(JSON.stringify(attributes)).toString('base64')}`
    found[path] = `${kind} ${kind === 'symlink' ? '' : mode.toString(8)} ${uid}:${gid} ${size} ${link}${rest}`
    const hash = createHash('sha256')
    if (kind === 'file') files.push({ path, hash })
    return (part) => hash.update(part)
  })
  if (tar.exitCode === null) await once(tar, 'close')
  for (const { path, hash } of files) found[path] += ` ${hash.digest('hex')}`
  return found
}
