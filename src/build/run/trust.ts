import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../os/run.ts'
import { bytesContent } from '../image/content.ts'
import type { Added, FileEntry, Files } from '../image/file-entry.ts'
import { EARLIEST } from '../image/file-time.ts'
import { FOLDER, parentOf } from '../image/file-tree.ts'
import { resolvePath } from '../image/resolve-path.ts'
import { javaTrustStore } from './java-trust-store.ts'
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
/** A JVM reads no PEM, and has a store of its own instead of the distribution's; this variable it takes from everywhere. */
const JAVA_STORE = 'run/naru/cacerts.jks'
const JAVA_VARIABLE = 'JAVA_TOOL_OPTIONS'
const JAVA_OPTIONS = `-Djavax.net.ssl.trustStore=/${JAVA_STORE} -Djavax.net.ssl.trustStoreType=JKS`
/** Programs that do not look where the distribution keeps it, and that read a file of PEM. */
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
  const [target, javaTarget] = [placeOf(tree, OWN), placeOf(tree, JAVA_STORE)]
  if (target === null || javaTarget === null) return { ...NO_TRUST, over }
  const whole = ended(known) + block
  const texts = [
    await readable(work.at('ca-certificates.crt'), whole, target),
    await readable(work.at('cacerts.jks'), javaTrustStore(whole), javaTarget),
  ]
  return {
    over,
    texts,
    env: { ...Object.fromEntries(VARIABLES.map((name) => [name, `/${OWN}`])), [JAVA_VARIABLE]: JAVA_OPTIONS },
  }
}

/** A file that a command may read, and nothing else. */
async function readable(source: string, content: string | Uint8Array, target: string): Promise<Trust['texts'][number]> {
  await writeFile(source, content)
  await chmod(source, 0o644)
  return { kind: 'bind', source, target, readOnly: true }
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
