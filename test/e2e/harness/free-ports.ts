import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Below the kernel's ephemeral ports, where an outgoing connection could take it meanwhile, and beyond those given to replicas. */
const FIRST = 28_000
const LAST = 32_700

/** A port to publish on: free now, chosen at random so that test files side by side do not meet. */
export async function freePort(): Promise<number> {
  while (true) {
    const port = randomInt(FIRST, LAST)
    if (await isFree(port)) return port
  }
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}
