import { PassThrough, type Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { ProgramNotStarted, run } from '../../os/run.ts'
import { TOOL_ENV } from '../sandbox/tools.ts'
import { TarInvalid, TarTooLarge } from './tar-header.ts'

export type Compression = 'none' | 'gzip' | 'bzip2' | 'xz' | 'zstd'

/** What BuildKit knows; zip is none of them. */
const MAGIC: readonly (readonly [Compression, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b, 0x08]],
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
]

/** How a file is compressed, by how it begins. */
export const compressionOf = (head: Uint8Array): Compression =>
  MAGIC.find(([, magic]) => magic.every((byte, at) => head[at] === byte))?.[0] ?? 'none'

/** Limits of what may come out. A bomb is refused by whichever it meets first (A7). */
export interface UnpackLimits {
  readonly mostBytes: number
  readonly mostEntries: number
  /** Bytes out for each byte in, once `ratioFromBytes` came out. */
  readonly mostRatio: number
  readonly ratioFromBytes: number
}
export const UNPACK_LIMITS: UnpackLimits = {
  mostBytes: 32 * 2 ** 30,
  mostEntries: 2_000_000,
  mostRatio: 250,
  ratioFromBytes: 2 ** 30,
}

const UNPACK_MS = 3600_000
/** xz asks for as much memory as the file says. */
const PROGRAMS = { xz: ['-dc', '-q', '--memlimit-decompress=1GiB'], bzip2: ['-dc', '-q'] } as const

/** A program that unpacks is not on this machine. */
export class UnpackerMissing extends Error {
  override readonly name = 'UnpackerMissing'
  readonly program: string

  constructor(program: string) {
    super(`there is no program ${program}`)
    this.program = program
  }
}

/**
 * Hands the plain bytes of a compressed file to `read`, which may stop early. Throws TarInvalid for broken or endless
 * input, UnpackerMissing.
 */
export async function decompress<Value>(
  file: { readonly compression: Compression; readonly size: number; readonly open: () => Readable },
  limits: UnpackLimits,
  read: (plain: AsyncIterable<Uint8Array>) => Promise<Value>,
  signal: AbortSignal,
): Promise<Value> {
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  const plain = new PassThrough({ highWaterMark: 2 ** 20 })
  const counted = counter(file.size, limits)
  let broken: unknown = null
  const unpacking = unpack(file, counted, plain, either).catch((failed: unknown) => {
    broken = failed
    plain.destroy()
  })
  try {
    const value = await read(plain)
    if (plain.readableEnded) await unpacking
    if ((plain.readableEnded && broken !== null) || broken instanceof UnpackerMissing) throw invalid(broken)
    return value
  } catch (failed) {
    stop.abort()
    await unpacking
    signal.throwIfAborted()
    throw invalid(isStop(failed) && broken !== null ? broken : failed)
  } finally {
    // Who has read enough closed the stream: what follows is of no interest.
    stop.abort()
    await unpacking
  }
}

const isStop = (failed: unknown): boolean =>
  ['ERR_STREAM_PREMATURE_CLOSE', 'ABORT_ERR'].includes(String((failed as { code?: unknown } | null)?.code))

function invalid(failed: unknown): unknown {
  const isBroken = /^Z|^ERR_ZSTD|^ZSTD/.test(String((failed as { code?: unknown } | null)?.code))
  return isBroken ? new TarInvalid('is damaged: it cannot be decompressed to its end') : failed
}

async function unpack(
  { compression, open }: { readonly compression: Compression; readonly open: () => Readable },
  counted: Transform,
  plain: PassThrough,
  signal: AbortSignal,
): Promise<void> {
  if (compression === 'none') return pipeline(open(), counted, plain, { signal })
  if (compression === 'gzip') return pipeline(open(), createGunzip({ chunkSize: 2 ** 18 }), counted, plain, { signal })
  if (compression === 'zstd') return pipeline(open(), createZstdDecompress(), counted, plain, { signal })
  const { code } = await run(compression, PROGRAMS[compression], {
    env: TOOL_ENV,
    cwd: '/',
    input: open(),
    timeoutMs: UNPACK_MS,
    signal,
    onStdout: (stdout) => pipeline(stdout, counted, plain, { signal }),
  }).catch((failed: unknown) => {
    throw failed instanceof ProgramNotStarted ? new UnpackerMissing(compression) : failed
  })
  if (code !== 0) throw new TarInvalid('is damaged: it cannot be decompressed to its end')
}

function counter(size: number, { mostBytes, mostRatio, ratioFromBytes }: UnpackLimits): Transform {
  let total = 0
  return new Transform({
    highWaterMark: 2 ** 20,
    transform(part: Uint8Array, _encoding, done) {
      total += part.length
      if (total > mostBytes) done(new TarTooLarge(`unpacks to more than ${mostBytes} bytes`))
      else if (total > ratioFromBytes && total > size * mostRatio) {
        done(new TarTooLarge(`unpacks to more than ${mostRatio} times its ${size} bytes`))
      } else done(null, part)
    },
  })
}
