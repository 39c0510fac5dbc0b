import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, isFree } from '../e2e/harness/free-ports.ts'

/** Where the demo plays: one folder that is deleted at its end, ports that were free, and the environment of every program that it starts. */
export interface Surroundings {
  readonly folder: string
  readonly data: string
  readonly repository: string
  /** What clients of the application call. */
  readonly routePort: number
  /** The port that v3 insists on. */
  readonly wrongPort: number
  readonly env: Readonly<Record<string, string>>
}

/** A unix socket's path has at most 107 bytes, and ours stand some folders deep. */
const LONGEST_TMPDIR = 50
/** Settings of the caller that would lead a command to another server, app or repository. */
const NOT_OURS = /^(NARU_(SERVER|TOKEN|DATA|ENVIRONMENT)|GIT_.*|NODE_V8_COVERAGE)$/

/** Makes the folder; nothing else is written outside it. */
export async function makeSurroundings(): Promise<Surroundings> {
  const parent = tmpdir().length <= LONGEST_TMPDIR ? tmpdir() : '/tmp'
  const folder = mkdtempSync(join(parent, 'naru-demo-'))
  const data = join(folder, 'data')
  const [routePort, otherPort] = [await freePort(), await freePort()]
  const inherited = Object.entries(process.env).filter(([name]) => !NOT_OURS.test(name)) as [string, string][]
  const env = {
    ...Object.fromEntries(inherited),
    HOME: folder,
    NARU_DATA: data,
    HELLO_PORT: String(routePort),
    // Node's cache of compiled code goes with the folder, and git knows nobody but the demo.
    NODE_COMPILE_CACHE: join(folder, 'compiled'),
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
  }
  const wrongPort = (await isFree(8080)) ? 8080 : otherPort
  return { folder, data, repository: join(folder, 'hello'), routePort, wrongPort, env }
}
