import { getSystemErrorName } from 'node:util'

/** What libuv gives in place of a size when the other side has said its last word. */
export const END_OF_FILE = -4095

/** The parts of Node's handle of a TCP connection that are used here. What answers a number answers 0 or a negative errno. */
export interface TcpHandle {
  /** Told of each read; how much it was is in `state`. Where it answers memory, the next reads go there. */
  onread: () => unknown
  /** Reads into this one from now on. Node does not keep it alive: whoever calls must, until the handle is closed. */
  useUserBuffer(buffer: Uint8Array): number
  readStart(): number
  readStop(): number
  /** Writes at once what the kernel takes. Only when `state` says that something is left, the request is under way. */
  writeBuffer(request: HandleRequest, bytes: Uint8Array): number
  shutdown(request: HandleRequest): number
  connect(request: HandleRequest, address: string, port: number): number
  connect6(request: HandleRequest, address: string, port: number): number
  getsockname(out: object): number
  getpeername(out: object): number
  setNoDelay(on: boolean): number
  setKeepAlive(on: boolean, seconds: number): number
  close(): void
  /** Closes with a reset. While a `shutdown` is under way it fails, and the handle can never be closed any more. */
  reset(): number
}

/** A call under way: Node keeps it until its end. */
export interface HandleRequest {
  /** 0, or a negative errno. */
  oncomplete: (status: number) => void
}

/** The part of a listening handle that `node:net` itself uses. */
export interface ListeningHandle {
  onconnection: (status: number, accepted: TcpHandle | undefined) => void
}

/** Node's own TCP, below `node:net`. */
export interface InternalHandles {
  readonly Tcp: new (kind: number) => TcpHandle
  readonly ConnectRequest: new () => HandleRequest
  readonly WriteRequest: new () => HandleRequest
  readonly ShutdownRequest: new () => HandleRequest
  /** The `kind` of a connection's handle. */
  readonly socketKind: number
  /** Numbers about the newest call, at the two places. */
  readonly state: Int32Array
  readonly readBytesOrError: number
  readonly lastWriteWasAsync: number
}

type Names = Readonly<Record<string, unknown>>
/** Gives a part of Node by its name. Throws: there is none, or it may not be had. */
export type Binding = (name: string) => Names

const CLASSES = { tcp_wrap: ['TCP', 'TCPConnectWrap'], stream_wrap: ['WriteWrap', 'ShutdownWrap'] }
const METHODS = [
  ...['useUserBuffer', 'readStart', 'readStop', 'writeBuffer', 'shutdown', 'connect', 'connect6'],
  ...['getsockname', 'getpeername', 'setNoDelay', 'setKeepAlive', 'close', 'reset'],
]

/** Node's handles where all that is used of them is there (whatever the version); else what is not, in words. */
export function internalHandles(binding: Binding = processBinding): InternalHandles | string {
  try {
    const [tcp, stream] = [binding('tcp_wrap'), binding('stream_wrap')]
    const missing = firstMissing(tcp, stream)
    return missing ?? picked(tcp, stream)
  } catch (failed) {
    return (failed as Error).message
  }
}

function firstMissing(tcp: Names, stream: Names): string | null {
  const lacks = (from: Names, names: readonly string[]) => names.find((name) => typeof from[name] !== 'function')
  const noClass = lacks(tcp, CLASSES.tcp_wrap) ?? lacks(stream, CLASSES.stream_wrap)
  if (noClass !== undefined) return `no class ${noClass}`
  const { prototype } = tcp.TCP as { readonly prototype: Names & object }
  const noMethod = lacks(prototype, METHODS)
  if (noMethod !== undefined) return `no method ${noMethod}`
  if (!('onread' in prototype)) return 'no property onread'
  if (typeof (tcp.constants as Names | undefined)?.SOCKET !== 'number') return 'no constant SOCKET'
  const { streamBaseState: state } = stream
  if (!(state instanceof Int32Array)) return 'no array streamBaseState'
  const places = ['kReadBytesOrError', 'kLastWriteWasAsync'].map((name) => stream[name])
  if (!places.every((place) => typeof place === 'number' && place in state)) return 'no places in streamBaseState'
  return getSystemErrorName(END_OF_FILE) === 'EOF' ? null : `${END_OF_FILE} is not the end of a file`
}

/** The shape is checked. */
const picked = (tcp: Names, stream: Names): InternalHandles => ({
  Tcp: tcp.TCP as InternalHandles['Tcp'],
  ConnectRequest: tcp.TCPConnectWrap as InternalHandles['ConnectRequest'],
  WriteRequest: stream.WriteWrap as InternalHandles['WriteRequest'],
  ShutdownRequest: stream.ShutdownWrap as InternalHandles['ShutdownRequest'],
  socketKind: (tcp.constants as { readonly SOCKET: number }).SOCKET,
  state: stream.streamBaseState as Int32Array,
  readBytesOrError: stream.kReadBytesOrError as number,
  lastWriteWasAsync: stream.kLastWriteWasAsync as number,
})

/** Deprecated by documentation (DEP0111): whoever asks Node for pending deprecations is not told of this one. */
function processBinding(name: string): Names {
  const before = process.noDeprecation ?? false
  process.noDeprecation = true
  try {
    return (process as unknown as { readonly binding: Binding }).binding(name)
  } finally {
    process.noDeprecation = before
  }
}
