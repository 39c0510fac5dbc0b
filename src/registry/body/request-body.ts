import type { IncomingMessage } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import type { InternalHandles } from '../../os/internal-handles.ts'
import { ChunkFraming, type Framing, LengthFraming } from './framing.ts'
import { type Inflow, type Sink, streamInflow, takeChunk } from './inflow.ts'
import { Tap } from './tap.ts'

/** Shorter ones are not worth it. */
const LARGE = 256 * 1024

/**
 * The body of a request, to be asked for while Node tells of the request: a large one is read from the connection's handle, if that can be
 * and, asked when it is wanted, `works`; else it comes as a stream.
 */
export function requestBody(request: IncomingMessage, node: InternalHandles, works: () => Promise<boolean>): Inflow {
  const stream = streamBody(request)
  const tap = Tap.of(request.socket, node)
  const framingAfter = tap === null ? null : framingOf(request, tap)
  if (tap === null || framingAfter === null) return stream
  tap.hold()
  return {
    into: async (sink) => {
      // Promises go on before Node has parsed what came with the head.
      await setImmediate()
      if (request.complete || !(await works())) return stream.into(sink)
      const came = await takeWhatCame(request, sink)
      if (request.complete || !tap.canTake(sink)) return stream.into(sink)
      await tap.take(request, framingAfter(came), sink)
      request.resume()
    },
  }
}

/** The body of a request as Node gives it. */
export const streamBody = (request: IncomingMessage): Inflow => streamInflow(request, { owned: true })

/** Takes what Node has read; answers how much that was. */
async function takeWhatCame(request: IncomingMessage, sink: Sink): Promise<number> {
  let came = 0
  for (let chunk = request.read() as Buffer | null; chunk !== null; chunk = request.read() as Buffer | null) {
    await takeChunk(sink, chunk)
    came += chunk.length
  }
  return came
}

/** How the rest of a body is framed, after so many of its bytes. */
type FramingAfter = (came: number) => Framing

/** null: the body is short, is all there, or begins somewhere that is not certain. */
function framingOf(request: IncomingMessage, tap: Tap): FramingAfter | null {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
  if (encoding === undefined) return Number(length) >= LARGE ? (came) => new LengthFraming(Number(length) - came) : null
  if (encoding.toLowerCase() !== 'chunked') return null
  const framing = chunksAfterHead(request, tap.current)
  return framing === null || framing.ended ? null : () => framing
}

/** Only Node's parser knows in which chunk it is: what it has before it is read beside it. null: that does not begin with the request. */
function chunksAfterHead({ method, url }: IncomingMessage, bytes: Buffer): ChunkFraming | null {
  const end = bytes.indexOf('\r\n\r\n')
  const head = bytes.subarray(0, Math.max(end, 0)).toString('latin1')
  if (!head.startsWith(`${method} ${url} HTTP/1.1\r\n`)) return null
  const framing = new ChunkFraming()
  framing.split(bytes.subarray(end + 4))
  return framing
}
