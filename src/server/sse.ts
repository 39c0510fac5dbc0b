import { once } from 'node:events'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** One message of a stream (WHATWG server-sent events). */
export interface SseMessage {
  readonly id?: number
  readonly event: string
  readonly data: unknown
}

const HEARTBEAT_MS = 10_000

/** Streams messages until they end, the client goes, or the server stops. A comment every 10 s keeps proxies from cutting it. */
export async function sendStream(
  request: FastifyRequest,
  reply: FastifyReply,
  stop: AbortSignal,
  messages: (signal: AbortSignal) => AsyncIterable<SseMessage>,
): Promise<void> {
  const gone = new AbortController()
  request.raw.on('close', () => gone.abort())
  reply.raw.on('close', () => gone.abort())
  const signal = AbortSignal.any([gone.signal, stop])
  reply.hijack()
  reply.raw.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' })
  reply.raw.flushHeaders()
  const heartbeat = setInterval(() => reply.raw.write(':\n\n'), HEARTBEAT_MS)
  try {
    for await (const message of messages(signal)) {
      const written = reply.raw.write(text(message))
      if (!written) await once(reply.raw, 'drain', { signal })
    }
  } catch (ended) {
    if (!signal.aborted) reply.raw.write(text({ event: 'error', data: { message: String(ended) } }))
  } finally {
    clearInterval(heartbeat)
    reply.raw.end()
  }
}

const text = ({ id, event, data }: SseMessage): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
