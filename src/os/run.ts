import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** What a program is given, and its limits. */
export interface RunOptions {
  readonly cwd?: string
  /** The whole environment of the program: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>
  readonly input?: string | Uint8Array | Readable
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** Called with each line while it runs, one of more than some 64 KiB in parts; what is given here is not collected. */
  readonly onStdoutLine?: (line: string) => void
  readonly onStderrLine?: (line: string) => void
  /** Reads the output as bytes, to its end; then it is not collected. */
  readonly onStdout?: (stream: Readable) => Promise<void>
  /** Collected output beyond this is cut off. Default 16 MiB. */
  readonly maxOutputBytes?: number
  readonly uid?: number
  readonly gid?: number
  /** Called once, when it was started. */
  readonly onStart?: (program: RunningProgram) => void
}

/** A program while it runs. */
export interface RunningProgram {
  /** Whether our own process stays for it: true, until something else is said. */
  keepsAlive(yes: boolean): void
}

/** How it ended; a code other than 0 is an answer, not an error. */
export interface RunResult {
  /** null when it was killed by a signal. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  readonly timedOut: boolean
}

/** The program is not there or not executable; `code` is the errno name. */
export class ProgramNotStarted extends Error {
  readonly program: string
  readonly code: string

  constructor(program: string, code: string, cause: unknown) {
    super(`${program} could not be started: ${code}`, { cause })
    this.name = 'ProgramNotStarted'
    this.program = program
    this.code = code
  }
}

/**
 * Runs a program by its argument list, never through a shell, in a process group of its own, and waits for its end. At the
 * time limit or when the signal is aborted the whole group is killed; an abort then rejects with the signal's reason.
 */
export async function run(program: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  options.signal.throwIfAborted()
  const child = spawn(program, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
    env: { ...options.env },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const killGroup = () => signalGroup(child, 'SIGKILL')
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    killGroup()
  }, options.timeoutMs)
  options.signal.addEventListener('abort', killGroup, { once: true })
  options.onStart?.({ keepsAlive: (yes) => keepAlive(yes, child, timer) })
  try {
    const limit = options.maxOutputBytes ?? 16 * 2 ** 20
    const [stdout, stderr, end] = await Promise.all([
      options.onStdout === undefined
        ? collect(child.stdout, limit, options.onStdoutLine)
        : options.onStdout(child.stdout).then(() => ''),
      collect(child.stderr, limit, options.onStderrLine),
      ended(child, program),
      feed(child, options.input),
    ])
    options.signal.throwIfAborted()
    return { ...end, stdout, stderr, timedOut }
  } finally {
    clearTimeout(timer)
    options.signal.removeEventListener('abort', killGroup)
  }
}

/** A child and its pipes, which are sockets of Node, each keep an event loop alive. */
function keepAlive(yes: boolean, child: ChildProcess, timer: NodeJS.Timeout): void {
  const pipes = [child.stdin, child.stdout, child.stderr] as unknown as readonly Socket[]
  for (const handle of [child, timer, ...pipes]) {
    if (yes) handle.ref()
    else handle.unref()
  }
}

/** Signals a whole process group; one that is gone already is fine. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch (failed) {
    if ((failed as NodeJS.ErrnoException).code !== 'ESRCH') throw failed
  }
}

function ended(child: ChildProcess, program: string): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(new ProgramNotStarted(program, error.code ?? 'EUNKNOWN', error)),
    )
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
}

async function collect(stream: Readable, limit: number, onLine: ((line: string) => void) | undefined): Promise<string> {
  if (onLine !== undefined) {
    const input = Readable.from(withEnds(stream), { objectMode: false })
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) onLine(line)
    return ''
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (size < limit) chunks.push(chunk.subarray(0, limit - size))
    size += chunk.length
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** A line that never ends must not fill our memory: it is cut. */
const LONGEST_LINE = 64 * 1024

async function* withEnds(stream: Readable): AsyncGenerator<Uint8Array> {
  let since = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const end = chunk.lastIndexOf(0x0a)
    since = end < 0 ? since + chunk.length : chunk.length - end - 1
    yield chunk
    if (since < LONGEST_LINE) continue
    yield Buffer.from('\n')
    since = 0
  }
}

async function feed(child: ChildProcess, input: RunOptions['input']): Promise<void> {
  const { stdin } = child
  if (stdin === null) return
  // A program may end without reading its input: EPIPE says nothing that its exit code does not say better.
  stdin.on('error', () => {})
  if (input === undefined || typeof input === 'string' || input instanceof Uint8Array) {
    stdin.end(input ?? '')
    return
  }
  await pipeline(input, stdin).catch((failed: NodeJS.ErrnoException) => {
    if (failed.code !== 'EPIPE' && failed.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw failed
  })
}
