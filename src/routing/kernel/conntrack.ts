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

/** Which connections are looked for; null: any. */
export interface Sought {
  readonly clientPorts: readonly number[] | null
  readonly calledPorts: readonly number[] | null
}

/** The tracked TCP connections that are sought; null: this kernel does not show them in /proc. */
export function readConntrack(sought: Sought): readonly TrackedConnection[] | null {
  let text: string
  try {
    text = readFileSync('/proc/net/nf_conntrack', 'latin1')
  } catch {
    return null
  }
  return parseConntrack(text, sought)
}

/** The TCP lines of /proc/net/nf_conntrack: the tuple of the way there, then that of the way back. */
export function parseConntrack(text: string, { clientPorts, calledPorts }: Sought): readonly TrackedConnection[] {
  if (clientPorts?.length === 0 || calledPorts?.length === 0) return []
  // One pass in the regular expression: the file may hold many thousands of lines that are not wanted.
  const there = `src=(\\S+) dst=(\\S+) sport=(${oneOf(clientPorts)}) dport=(${oneOf(calledPorts)})`
  const line = new RegExp(`^ipv[46] +\\d+ tcp [^=\n]*${there} [^\n]*?src=\\S+ dst=\\S+ sport=(\\d+) dport=\\d+ `, 'gm')
  return [...text.matchAll(line)].map(([, client = '', called = '', clientPort, calledPort, answeringPort]) => ({
    ...{ client, called },
    clientPort: Number(clientPort),
    calledPort: Number(calledPort),
    answeringPort: Number(answeringPort),
  }))
}

const oneOf = (ports: readonly number[] | null): string => ports?.map(Number).join('|') ?? '\\d+'
