import { readFileSync } from 'node:fs'

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

const TUPLES =
  /^ipv[46] +\d+ tcp .*?src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) .*?src=\S+ dst=\S+ sport=(\d+) dport=\d+ /gm

/** The tracked connections to these ports (null: to any); null: this kernel does not show them in /proc. */
export function readConntrack(calledPorts: ReadonlySet<number> | null): readonly TrackedConnection[] | null {
  let text: string
  try {
    text = readFileSync('/proc/net/nf_conntrack', 'latin1')
  } catch {
    return null
  }
  return parseConntrack(text, calledPorts)
}

/** The TCP lines of /proc/net/nf_conntrack: the tuple of the way there, then that of the way back. */
export function parseConntrack(text: string, calledPorts: ReadonlySet<number> | null): readonly TrackedConnection[] {
  const found: TrackedConnection[] = []
  for (const [, client = '', called = '', clientPort, calledPort, answeringPort] of text.matchAll(TUPLES)) {
    if (calledPorts !== null && !calledPorts.has(Number(calledPort))) continue
    found.push({
      client,
      clientPort: Number(clientPort),
      called,
      calledPort: Number(calledPort),
      answeringPort: Number(answeringPort),
    })
  }
  return found
}
