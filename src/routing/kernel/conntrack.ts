import { run } from '../../os/run.ts'

/** One tracked TCP connection: how the client sees it, and which port answers it. */
export interface TrackedConnection {
  readonly client: string
  readonly clientPort: number
  /** The address and port that the client called. */
  readonly called: string
  readonly calledPort: number
  /** The port that answers: another one than `calledPort` when the kernel redirected it. */
  readonly answeringPort: number
}

const FILE = '/proc/net/nf_conntrack'
/** The kernel takes some 5 ms for 1,000 entries, and allows 262,144 by default; a busy machine takes longer. */
const TIMEOUT_MS = 15_000

/**
 * The tracked TCP connections with one of these ports as their client's or their answering one; null: this kernel does not show them in
 * /proc, or not to us. grep reads the file: it gives one page per read and may hold tens of thousands of lines, for which the process
 * that carries connections must not stand still (250 ms with 55,000 of them).
 */
export async function readConntrack(ports: readonly number[]): Promise<readonly TrackedConnection[] | null> {
  if (ports.length === 0) return []
  const wanted = ports.flatMap((port) => ['-e', ` sport=${Number(port)} `])
  const env = { LC_ALL: 'C', PATH: process.env.PATH ?? '/usr/bin:/bin' }
  const { signal } = new AbortController()
  try {
    const { code, stdout } = await run('grep', ['-F', ...wanted, '--', FILE], { env, timeoutMs: TIMEOUT_MS, signal })
    // 1: no line had one.
    return code === 0 || code === 1 ? parseConntrack(stdout) : null
  } catch {
    return null
  }
}

const LINE =
  /^ipv[46] +\d+ tcp [^=\n]*src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) [^\n]*?src=\S+ dst=\S+ sport=(\d+) dport=\d+ /gm

/** The TCP lines of /proc/net/nf_conntrack: the tuple of the way there, then that of the way back. */
export function parseConntrack(text: string): readonly TrackedConnection[] {
  return [...text.matchAll(LINE)].map(([, client = '', called = '', clientPort, calledPort, answeringPort]) => ({
    ...{ client, called },
    clientPort: Number(clientPort),
    calledPort: Number(calledPort),
    answeringPort: Number(answeringPort),
  }))
}
