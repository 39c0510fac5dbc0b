import type { Socket } from 'node:net'
import type { InternalHandles, TcpHandle } from '../../os/internal-handles.ts'

/** What `node:http` has of a connection besides its socket. */
interface HttpParser {
  /** A copy of the bytes that are being parsed right now. */
  getCurrentBuffer(): Buffer
  /** At `onBody`: called with a copy of each part of a body, unless it is null. */
  [at: number]: unknown
}

/** A connection of `node:http` over plain TCP, in Node's own parts. */
export interface HttpConnection {
  readonly handle: TcpHandle & { reading: boolean }
  readonly parser: HttpParser
  readonly onBody: number
}

/** The parts of a connection; null: it has others, or stands still because too many answers wait. */
export function httpConnection(socket: Socket, { Tcp }: InternalHandles): HttpConnection | null {
  const { _handle, parser, _paused } = socket as unknown as {
    readonly _handle?: unknown
    readonly parser?: HttpParser | null
    readonly _paused?: unknown
  }
  if (!(_handle instanceof Tcp) || _paused !== false || typeof parser?.getCurrentBuffer !== 'function') return null
  const onBody = (parser.constructor as { readonly kOnBody?: unknown }).kOnBody
  if (typeof onBody !== 'number' || typeof parser[onBody] !== 'function') return null
  return { handle: _handle as HttpConnection['handle'], parser, onBody }
}
