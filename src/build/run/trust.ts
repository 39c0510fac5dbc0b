import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../os/run.ts'
import { bytesContent } from '../image/content.ts'
import type { Added, FileEntry, Files } from '../image/file-entry.ts'
import { EARLIEST } from '../image/file-time.ts'
import { FOLDER, parentOf } from '../image/file-tree.ts'
import { resolvePath } from '../image/resolve-path.ts'
import type { Privileges } from '../sandbox/privileges.ts'
import type { Bound } from '../sandbox/sandbox-mounts.ts'
import { TOOL_ENV } from '../sandbox/tools.ts'
import type { WorkFolder } from '../sandbox/work-folder.ts'
import { BUNDLES, machineBundle } from './trusted-ca.ts'

/** What one RUN sees of certificates that are no part of its image. */
export interface Trust {
  /** In a folder over the layers, as mount points are: a program may replace such a file, which it could not if that were a mount. */
  readonly over: Added
  readonly texts: readonly (Bound & { kind: 'bind' })[]
  readonly env: Readonly<Record<string, string>>
}

export const NO_TRUST: Trust = { over: new Map(), texts: [], env: {} }

const OWN = 'run/naru/ca-certificates.crt'
/** Programs that do not look where the distribution keeps it, and that read a file of PEM. Java reads none. */
const VARIABLES = [
  'SSL_CERT_FILE',
  'CURL_CA_BUNDLE',
  'GIT_SSL_CAINFO',
  'REQUESTS_CA_BUNDLE',
  'PIP_CERT',
  'NODE_EXTRA_CA_CERTS',
  'CARGO_HTTP_CAINFO',
  'AWS_CA_BUNDLE',
  'DENO_CERT',
]
const FORGET = join(import.meta.dirname, '..', 'sandbox', 'forget-block.cjs')
const FORGET_MS = 60_000

/** Between these lines; what else a program writes into the file is its own. */
const blockOf = (certificates: string): string => `# Naru: for this RUN only\n${certificates}# Naru: end\n`

/** `certificates`: what was asked for; null: nothing. They come after those of the image, or, where it has none, of this machine. */
export async function trustIn(
  certificates: string | null,
  { tree, readText }: { readonly tree: Files; readonly readText: (path: string) => Promise<string | null> },
  work: WorkFolder,
): Promise<Trust> {
  if (certificates === null) return NO_TRUST
  const block = blockOf(certificates)
  const over: Added = new Map()
  const free = BUNDLES.flatMap((path) => placeOf(tree, path) ?? [])
  const there = free.filter((path) => tree.at(path) !== null)
  const places = new Set(there.length === 0 ? free.slice(0, 1) : there)
  let known = there.length === 0 ? machineBundle() : ''
  for (const path of places) {
    const own = (await readText(path)) ?? ''
    known ||= own
    put(over, path, ended(own) + block, tree)
  }
  const target = placeOf(tree, OWN)
  if (target === null) return { ...NO_TRUST, over }
  const source = work.at('ca-certificates.crt')
  await writeFile(source, ended(known) + block)
  await chmod(source, 0o644)
  const env = Object.fromEntries(VARIABLES.map((name) => [name, `/${OWN}`]))
  return { over, texts: [{ kind: 'bind', source, target, readOnly: true }], env }
}

/** Takes the certificates out of the files that a RUN changed: no layer has them. */
export async function forgetTrust(
  certificates: string | null,
  { over }: Trust,
  work: WorkFolder,
  privileges: Privileges,
  signal: AbortSignal,
): Promise<void> {
  if (certificates === null) return
  const paths = [...over].flatMap(([path, { type }]) => (type === 'file' ? path : []))
  const [program, args] = privileges.command([process.execPath, FORGET, work.at('upper')])
  const input = JSON.stringify({ paths, block: blockOf(certificates) })
  const { code, stderr } = await run(program, args, { env: TOOL_ENV, cwd: '/', input, timeoutMs: FORGET_MS, signal })
  if (code !== 0) throw new Error(`certificates could not be taken out of the layer: ${stderr.trim().slice(-400)}`)
}

/** Where a file can stand at a path, links of the image followed; null: something else is there, or on the way. */
function placeOf(tree: Files, path: string): string | null {
  const place = resolvePath(tree, path)?.path ?? null
  if (place === null || (tree.at(place)?.type ?? 'file') !== 'file') return null
  for (let folder = parentOf(place); folder !== ''; folder = parentOf(folder)) {
    if ((tree.at(folder)?.type ?? 'directory') !== 'directory') return null
  }
  return place
}

function put(over: Added, path: string, text: string, tree: Files): void {
  const there = tree.at(path)
  const plain = { uid: 0, gid: 0, mode: 0o644, mtime: EARLIEST }
  const entry: FileEntry = {
    ...(there?.type === 'file' ? there : plain),
    type: 'file',
    content: bytesContent(Buffer.from(text)),
  }
  over.set(path, entry)
  for (let folder = parentOf(path); folder !== ''; folder = parentOf(folder))
    over.set(folder, tree.at(folder) ?? FOLDER)
}

const ended = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`)
