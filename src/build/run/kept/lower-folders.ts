import { createHash } from 'node:crypto'
import { chmod, mkdir, rename, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { canonicalJson } from '../../../lib/canonical-json.ts'
import { diskFull } from '../../../model/disk-full.ts'
import { makeFolder } from '../../../os/atomic-file.ts'
import { run } from '../../../os/run.ts'
import type { SpooledContents } from '../../base/layer-content.ts'
import type { Added, Files } from '../../image/file-entry.ts'
import { type FileTree, joinPath, parentOf } from '../../image/file-tree.ts'
import { entriesName, settleLayer } from '../../image/make-layer.ts'
import { resolvePath } from '../../image/resolve-path.ts'
import { tarBytes } from '../../image/tar-bytes.ts'
import type { Privileges } from '../../sandbox/privileges.ts'
import { TOOL_ENV, tool } from '../../sandbox/tools.ts'
import { ownFolder } from '../../sandbox/work-folder.ts'

const UNPACK_MS = 3600_000

/** Unpacked files of base images and of COPYs: the lower folders of overlays, each made once. */
export class LowerFolders {
  readonly #folder: string
  readonly #work: string
  readonly #privileges: Privileges
  readonly #contents: SpooledContents

  /** `work`: where they are made, before they count. */
  constructor(folder: string, work: string, privileges: Privileges, contents: SpooledContents) {
    this.#folder = folder
    this.#work = work
    this.#privileges = privileges
    this.#contents = contents
  }

  /** The whole file system of an image, named by what it is made of. */
  ofImage(name: string, tree: FileTree, signal: AbortSignal): Promise<string> {
    return this.#folderOf(`image-${hashOf(name)}`, new Map(tree.entriesByPath), signal)
  }

  /** What a COPY added; folders that it only passed through are as the tree has them, since an overlay shows the topmost. */
  async ofLayer(added: Added, tree: FileTree, signal: AbortSignal): Promise<string> {
    const whole: Added = new Map(added)
    for (const path of added.keys()) {
      for (let folder = parentOf(path); folder !== '' && !whole.has(folder); folder = parentOf(folder)) {
        const there = tree.at(folder)
        if (there?.type === 'directory') whole.set(folder, there)
      }
    }
    return this.#folderOf(`layer-${await entriesName(whole, signal)}`, whole, signal)
  }

  /** A file or folder of another file system: the folder that holds it under the name `it`, and what names its content. */
  async ofSource(files: Files, source: string, signal: AbortSignal): Promise<{ folder: string; key: string } | null> {
    const found = await this.entriesOf(files, source, signal)
    return found === null
      ? null
      : { key: found.key, folder: await this.#folderOf(`layer-${found.key}`, found.added, signal) }
  }

  /** The same as entries, nothing of it on disk yet; null: it is not there. */
  async entriesOf(files: Files, source: string, signal: AbortSignal): Promise<{ added: Added; key: string } | null> {
    const from = resolvePath(files, source)?.path
    if (from === undefined || files.at(from) === null) return null
    const added: Added = new Map()
    const walk = (path: string, to: string) => {
      const entry = files.at(path)
      if (entry === null || entry.type === 'special') return
      added.set(to, entry)
      for (const name of entry.type === 'directory' ? files.names(path) : [])
        walk(joinPath(path, name), `${to}/${name}`)
    }
    walk(from, 'it')
    return { added, key: await entriesName(added, signal) }
  }

  async #folderOf(name: string, entries: Added, signal: AbortSignal): Promise<string> {
    const folder = join(this.#folder, name)
    if ((await stat(folder).catch(() => null)) !== null) {
      const now = new Date()
      await utimes(dirname(join(folder, 'x')), now, now)
      return join(folder, 'root')
    }
    const part = await ownFolder(this.#work)
    try {
      await makeFolder(this.#folder, 0o700)
      await mkdir(join(part, 'root'))
      await chmod(join(part, 'root'), 0o755)
      await this.unpack(entries, join(part, 'root'), signal)
      await writeFile(join(part, 'bytes'), String(sizeOf(entries)))
      await rename(part, folder).catch(unlessThere)
    } catch (failed) {
      throw diskFull(failed, `unpacking an image to ${this.#folder}`)
    } finally {
      await this.#privileges.remove(part, signal)
    }
    return join(folder, 'root')
  }

  /**
   * GNU tar writes them, because it can set attributes and, in a user namespace, owners. The archive is ours and sorted, and
   * names no path through a link: nothing can lead out of the folder.
   */
  async unpack(entries: Added, root: string, signal: AbortSignal): Promise<void> {
    if (entries.size === 0) return
    const contents = [...entries.values()].flatMap((entry) => (entry.type === 'file' ? entry.content : []))
    await this.#contents.prepare(contents, signal)
    const files = await settleLayer(entries, signal)
    const [program, args] = this.#privileges.command([
      tool(this.#privileges.tools, 'tar'),
      ...[
        '--extract',
        '--file=-',
        '--numeric-owner',
        '--same-owner',
        '--same-permissions',
        '--delay-directory-restore',
      ],
      ...['--xattrs', '--xattrs-include=*', `--directory=${root}`],
    ])
    const input = Readable.from(tarBytes(files), { highWaterMark: 2 })
    const { code, stderr } = await run(program, args, { env: TOOL_ENV, cwd: '/', input, timeoutMs: UNPACK_MS, signal })
    if (code === 0) return
    const why = stderr.trim().split('\n').slice(-3).join('; ')
    throw /No space left/i.test(why)
      ? Object.assign(new Error(why), { code: 'ENOSPC' })
      : new Error(`tar ended with ${code}: ${why}`)
  }
}

const sizeOf = (entries: Added): number =>
  [...entries.values()].reduce((sum, entry) => sum + (entry.type === 'file' ? entry.content.size : 0), 0)

/** Somebody else made the same: theirs is as good. */
function unlessThere(failed: NodeJS.ErrnoException): void {
  if (failed.code !== 'ENOTEMPTY' && failed.code !== 'EEXIST') throw failed
}

const hashOf = (name: string): string => createHash('sha256').update(canonicalJson(name)).digest('hex')
