import { existsSync, openSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Report } from '../../model/event.ts'
import { findProgram, isProgram, pathFolders } from '../../os/find-program.ts'
import { DeployError } from '../../model/failure.ts'
import type { BuildRequest, BuildResult } from '../builder.ts'
import { bytesContent, DiskContent } from '../image/content.ts'
import type { Added, FileEntry } from '../image/file-entry.ts'
import { EARLIEST } from '../image/file-time.ts'
import { FileTree, FOLDER } from '../image/file-tree.ts'
import { AddedLayer } from '../image/layer.ts'
import { LayerCache } from '../publish/layer-cache.ts'
import { SpooledContents } from './layer-content.ts'
import { publishImage } from '../publish/publish-image.ts'
import { SCRATCH_SETTINGS } from '../image-settings.ts'
import { hostPlatform } from '../platform.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { readElf } from './elf.ts'
import { sharedLibraries } from './shared-libraries.ts'

export interface BaseImageRequest {
  /** A path, or a name that is looked up in `path`. */
  readonly program: string
  /** The PATH of the caller. */
  readonly path: string
  /** Its name in the image: /usr/local/bin/NAME. Default: that of the file. */
  readonly name: string | null
  readonly destination: BuildRequest['destination']
  /** As for the builder: a second call with the same program packs nothing. */
  readonly cacheFolder: string
}

const USERS = [
  'root:x:0:0:root:/:/sbin/nologin',
  'app:x:1000:1000:app:/tmp:/sbin/nologin',
  'nobody:x:65534:65534:nobody:/:/sbin/nologin',
]
const GROUPS = ['root:x:0:', 'app:x:1000:', 'nogroup:x:65534:']
const CERTIFICATES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem']
const NAME = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/

/**
 * Makes a base image from a program of this machine: the program, its loader and shared libraries, users, name lookup,
 * certificates and /tmp, and nothing else. Same files, same digest. Throws BUILD_PROGRAM_NOT_FOUND and what the store throws.
 */
export async function makeBaseImage(
  request: BaseImageRequest,
  report: Report,
  signal: AbortSignal,
): Promise<Omit<BuildResult, 'images'>> {
  const program = programOf(request)
  const elf = readElf(program)
  if (elf === null) {
    throw unusable(
      `${program} is no 64-bit ELF program`,
      'A script needs its interpreter: make the base image from that one.',
    )
  }
  const name = request.name ?? basename(request.program)
  if (!NAME.test(name))
    throw unusable(`${JSON.stringify(name)} cannot name a program`, 'Use letters, digits, ".", "_", "+" and "-".')
  const { interpreter, folder, libraries } = sharedLibraries(program, elf)
  const system = new FileTree()
  for (const [path, entry] of systemFiles()) system.set(path, entry)
  if (interpreter !== null) system.set(interpreter.slice(1), hostFile(interpreter, 0o755))
  for (const [library, path] of libraries) {
    const place = library.includes('/') ? library : join(folder, library)
    if (system.at(place.slice(1)) === null) system.set(place.slice(1), hostFile(path, 0o755))
  }
  const top: Added = new Map([[`usr/local/bin/${name}`, hostFile(program, 0o755)]])
  const contents = new SpooledContents(temporaryFolder(request.cacheFolder))
  const created = new Date(EARLIEST * 1000).toISOString().replace('.000Z', 'Z')
  const history = ['libraries and settings', `/usr/local/bin/${name}`].map((what) => ({
    created,
    created_by: `naru image base: ${what}`,
    comment: 'naru',
  }))
  const config = { created, ...hostPlatform(), config: { ...SCRATCH_SETTINGS, Cmd: [name] }, history }
  return publishImage(
    { base: [], layers: [new AddedLayer(new Map(system.entriesByPath)), new AddedLayer(top)], config, annotations: {} },
    {
      destination: request.destination,
      cache: new LayerCache(request.cacheFolder),
      contents,
      temporary: temporaryFolder(request.cacheFolder),
      report,
      layerDone: () => {},
    },
    signal,
  )
}

function programOf({ program, path }: BaseImageRequest): string {
  const given = isProgram(program) ? program : null
  const found = program.includes('/') ? given : findProgram(program, pathFolders(path))
  if (found !== null) return realpathSync(found)
  throw unusable(
    `there is no program ${program}${program.includes('/') ? '' : ' in PATH'}`,
    'Give its path: naru image base /usr/bin/node.',
  )
}

function* systemFiles(): Generator<[string, FileEntry]> {
  yield ['etc/passwd', text(USERS)]
  yield ['etc/group', text(GROUPS)]
  yield ['etc/nsswitch.conf', text(['passwd: files', 'group: files', 'hosts: files dns'])]
  yield ['tmp', { ...FOLDER, mode: 0o1777 }]
  yield ['usr/local/bin', FOLDER]
  const certificates = CERTIFICATES.find((path) => existsSync(path))
  if (certificates !== undefined) {
    const content = bytesContent(readFileSync(certificates))
    yield [
      'etc/ssl/certs/ca-certificates.crt',
      { type: 'file', uid: 0, gid: 0, mode: 0o644, mtime: 'content', content },
    ]
  }
}

function text(lines: readonly string[]): FileEntry {
  const content = bytesContent(Buffer.from(lines.map((line) => `${line}\n`).join('')))
  return { type: 'file', uid: 0, gid: 0, mode: 0o644, mtime: 'content', content }
}

function hostFile(path: string, mode: number): FileEntry {
  const content = new DiskContent(path, statSync(path).size, () => openSync(path, 'r'))
  return { type: 'file', uid: 0, gid: 0, mode, mtime: 'content', content }
}

function unusable(message: string, hint: string): DeployError {
  return new DeployError('BUILD_PROGRAM_NOT_FOUND', message, { hint })
}
