import { DeployError } from '../../../model/failure.ts'

/** One thing in the upper folder of an overlay, as GNU tar tells it. */
export interface UpperEntry {
  /** No slash at either end; '' is the root. */
  readonly path: string
  readonly kind: 'file' | 'directory' | 'symlink' | 'hardlink' | 'whiteout' | 'special'
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since the epoch. */
  readonly mtime: number
  readonly size: number
  /** Of a symlink as it stands, of a hard link the path in the folder. */
  readonly link: string
  /** Values as latin1 text: any bytes. */
  readonly xattrs: ReadonlyMap<string, string>
}

const BLOCK = 512
const KINDS: Readonly<Record<string, UpperEntry['kind']>> = {
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'directory',
}

/**
 * Reads what `tar --format=posix --xattrs` of this machine wrote of a folder; `take` is given each file's bytes. The writer
 * is ours, so this reads what that one writes and nothing more; names and contents are whatever the command in the sandbox
 * liked. Throws BUILD_SOURCE_INVALID for a name that is not UTF-8.
 */
export async function readUpperArchive(
  stream: AsyncIterable<Uint8Array>,
  take: (entry: UpperEntry) => (part: Uint8Array) => void,
): Promise<void> {
  let state: State = { kind: 'header', pax: new Map() }
  let held = Buffer.alloc(0)
  for await (const chunk of stream) {
    held = held.length === 0 ? Buffer.from(chunk) : Buffer.concat([held, chunk])
    let at = 0
    while (true) {
      const step: Step | null = advance(state, held.subarray(at), take)
      if (step === null) break
      at += step.used
      state = step.next
    }
    held = held.subarray(at)
  }
  if (state.kind !== 'end') throw new Error('the archive of a layer ends early')
}

type Pax = ReadonlyMap<string, Buffer>
type State =
  | { readonly kind: 'header'; readonly pax: Pax }
  | { readonly kind: 'pax'; readonly size: number }
  | {
      readonly kind: 'body'
      readonly left: number
      readonly padding: number
      readonly take: (part: Uint8Array) => void
    }
  | { readonly kind: 'end' }
interface Step {
  readonly used: number
  readonly next: State
}

const HEADER: State = { kind: 'header', pax: new Map() }
const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK

/** null: more bytes are needed. */
function advance(state: State, bytes: Buffer, take: (entry: UpperEntry) => (part: Uint8Array) => void): Step | null {
  if (state.kind === 'end') return bytes.length === 0 ? null : { used: bytes.length, next: state }
  if (state.kind === 'body') return body(state, bytes)
  const needed = state.kind === 'header' ? BLOCK : state.size + padding(state.size)
  if (bytes.length < needed) return null
  if (state.kind === 'pax')
    return { used: needed, next: { kind: 'header', pax: paxRecords(bytes.subarray(0, state.size)) } }
  const block = bytes.subarray(0, BLOCK)
  if (block.every((byte) => byte === 0)) return { used: BLOCK, next: { kind: 'end' } }
  const size = octal(block, 124, 12)
  const type = String.fromCharCode(block[156] ?? 0)
  if (type === 'x') return { used: BLOCK, next: { kind: 'pax', size } }
  const entry = entryOf(block, type, state.pax)
  const sink = take(entry)
  if (entry.size === 0) return { used: BLOCK, next: HEADER }
  return { used: BLOCK, next: { kind: 'body', left: entry.size, padding: padding(entry.size), take: sink } }
}

function body(state: State & { kind: 'body' }, bytes: Buffer): Step | null {
  if (bytes.length === 0) return null
  if (state.left === 0) {
    const used = Math.min(state.padding, bytes.length)
    const left = state.padding - used
    return { used, next: left === 0 ? HEADER : { ...state, padding: left } }
  }
  const part = bytes.subarray(0, state.left)
  state.take(part)
  const left = state.left - part.length
  return { used: part.length, next: left === 0 && state.padding === 0 ? HEADER : { ...state, left } }
}

function entryOf(block: Buffer, type: string, pax: Pax): UpperEntry {
  const number = (key: string, at: number, width: number) => {
    const record = pax.get(key)
    return record === undefined ? octal(block, at, width) : Number(record.toString('latin1'))
  }
  const path = decode(pax.get('path') ?? join(text(block, 345, 155), text(block, 0, 100)))
  const isDevice = type === '3' && octal(block, 329, 8) === 0 && octal(block, 337, 8) === 0
  const kind = isDevice ? 'whiteout' : (KINDS[type] ?? 'special')
  const link = decode(pax.get('linkpath') ?? text(block, 157, 100))
  const xattrs = [...pax].flatMap(([key, value]) =>
    key.startsWith(XATTR) ? [[key.slice(XATTR.length), value.toString('latin1')] as const] : [],
  )
  return {
    path: plainPath(path),
    kind,
    mode: octal(block, 100, 8) & 0o7777,
    uid: number('uid', 108, 8),
    gid: number('gid', 116, 8),
    mtime: number('mtime', 136, 12),
    size: kind === 'file' ? number('size', 124, 12) : 0,
    link: kind === 'hardlink' ? plainPath(link) : link,
    xattrs: new Map(xattrs),
  }
}

const XATTR = 'SCHILY.xattr.'
/** `./a/b/` is `a/b`. */
const plainPath = (path: string): string => path.replace(/^\.\/|^\.$/, '').replace(/\/$/, '')
const octal = (block: Buffer, at: number, width: number): number =>
  Number.parseInt(block.toString('latin1', at, at + width).replace(/[\0 ]+$/, '') || '0', 8)

function text(block: Buffer, at: number, width: number): Buffer {
  const field = block.subarray(at, at + width)
  const end = field.indexOf(0)
  return end < 0 ? field : field.subarray(0, end)
}

const join = (prefix: Buffer, name: Buffer): Buffer =>
  prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from('/'), name])

/** `LENGTH key=value\n`, the value any bytes. */
function paxRecords(bytes: Buffer): Pax {
  const found = new Map<string, Buffer>()
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at)
    const end = at + Number(bytes.toString('latin1', at, space))
    const equals = bytes.indexOf(0x3d, space)
    found.set(bytes.toString('utf8', space + 1, equals), Buffer.from(bytes.subarray(equals + 1, end - 1)))
    at = end
  }
  return found
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decode(name: Buffer): string {
  try {
    return UTF8.decode(name)
  } catch (failed) {
    throw new DeployError(
      'BUILD_SOURCE_INVALID',
      `a name is not UTF-8: ${JSON.stringify(name.toString('latin1').slice(-200))}`,
      {
        hint: 'Remove or rename that file at the end of the RUN. Nothing was pushed.',
        cause: failed,
      },
    )
  }
}
