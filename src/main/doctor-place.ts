import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ServerBody } from '../api/responses.ts'
import type { DoctorLine } from '../cli/host.ts'
import type { Isolation } from '../engines/embedded/launch.ts'
import { openReplicaRoots } from '../engines/embedded/roots/replica-roots.ts'
import { failureReport } from '../model/failure.ts'
import { run } from '../os/run.ts'
import { systemClock as clock } from '../os/system-clock.ts'

const FIXES: Readonly<Record<Isolation, string | null>> = {
  namespaces: null,
  'user-namespaces': 'Good enough for most; as root, replicas keep the owners and users of their image.',
  chroot:
    'Inside a container, allow unshare (docker run --privileged, or a seccomp profile with it), or run Naru outside.',
  none: 'Run Naru as root, or allow user namespaces: sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0 (those that are there).',
}

/** How replicas run here, what they can be held to, and the router: asked of the server that runs, else tried. */
export async function* placeLines(socket: string | null, signal: AbortSignal): AsyncGenerator<DoctorLine> {
  const server = socket === null ? null : await askServer(socket)
  if (server !== null) {
    // A server of an earlier version does not say them.
    const { isolation, isolationWhy = [], limits, notes = [] }: Partial<ServerBody> = server
    yield* rootLines({ isolation: isolation as Isolation, why: isolationWhy, limits: limits ?? null, notes })
  } else yield* triedLines(signal)
  yield await routerLine(signal)
}

async function* triedLines(signal: AbortSignal): AsyncGenerator<DoctorLine> {
  const folder = await mkdtemp(join(tmpdir(), 'naru-doctor-'))
  try {
    const instanceId = randomBytes(4).toString('hex')
    const images = { readBlob: notAsked, readManifest: notAsked }
    yield* rootLines(await openReplicaRoots({ folder, instanceId, images, clock, signal }))
  } catch (failed) {
    const { message, hint } = failureReport(failed)
    yield { check: 'isolation', state: 'failed', found: message, fix: hint }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface Roots {
  readonly isolation: Isolation
  readonly why: readonly string[]
  readonly limits: readonly ('cpu' | 'memory')[] | null
  readonly notes: readonly string[]
}

/** The same of a server that runs and of what was tried. */
export function* rootLines({ isolation, why, limits, notes }: Roots): Generator<DoctorLine> {
  yield isolationLine(isolation, why)
  if (limits !== null) yield limitsLine(limits)
  for (const note of notes) if (limits === null || !/ is not limited here/.test(note)) yield noteLine(note)
}

/** What is special about this machine, as it stands in receipts. */
const noteLine = (note: string): DoctorLine => ({ check: 'note', state: 'ok', found: note, fix: null })

const notAsked = (): never => {
  throw new TypeError('no image is asked for here')
}

function isolationLine(isolation: Isolation, why: readonly string[]): DoctorLine {
  const found = why.length === 0 ? isolation : `${isolation} (${why.join('; ')})`
  return { check: 'isolation', state: isolation === 'namespaces' ? 'ok' : 'warning', found, fix: FIXES[isolation] }
}

function limitsLine(limits: readonly ('cpu' | 'memory')[]): DoctorLine {
  const missing = (['cpu', 'memory'] as const).filter((name) => !limits.includes(name))
  if (missing.length === 0) return { check: 'limits', state: 'ok', found: 'cpu and memory, by cgroups', fix: null }
  return {
    check: 'limits',
    state: 'warning',
    found: `${missing.join(' and ')} cannot be limited: no cgroup that this user may write`,
    fix: 'Run Naru as root, or as a systemd unit with Delegate=yes. Until then `resources` is not held.',
  }
}

async function routerLine(signal: AbortSignal): Promise<DoctorLine> {
  const userland = 'Traffic goes through the userland router: right, and a little slower.'
  if (process.env.NARU_ROUTER === 'userland') {
    return { check: 'router', state: 'ok', found: 'userland, as NARU_ROUTER says', fix: null }
  }
  if (process.geteuid?.() !== 0)
    return { check: 'router', state: 'ok', found: 'userland (nftables needs root)', fix: null }
  const env = { PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' }
  const asked = await run('nft', ['list', 'tables'], { env, cwd: '/', timeoutMs: 10_000, signal }).catch(() => null)
  if (asked?.code === 0) return { check: 'router', state: 'ok', found: 'nftables, in front of userland', fix: null }
  const why = asked === null ? 'nft is not there' : (asked.stderr.trim().split('\n').at(-1) ?? '')
  return {
    check: 'router',
    state: 'warning',
    found: `userland: ${why}`,
    fix: `${userland} For nftables: apt install nftables.`,
  }
}

function askServer(socketPath: string): Promise<ServerBody | null> {
  return new Promise((resolve) => {
    const asked = request({ socketPath, path: '/v1/server', timeout: 5000 }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve(response.statusCode === 200 ? (JSON.parse(text) as ServerBody) : null))
      response.on('error', () => resolve(null))
    })
    asked.on('timeout', () => asked.destroy())
    asked.on('error', () => resolve(null))
    asked.end()
  })
}
