import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, open, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { backoff } from '../../src/lib/backoff.ts'
import { systemClock } from '../../src/os/system-clock.ts'
import { call } from './call.ts'
import { debianPackages } from './debian-packages.ts'

const never = new AbortController().signal
const START_MS = 60_000

/** A dockerd of our own with a current BuildKit; nothing is shared with another one on this machine. */
export interface Buildkit extends AsyncDisposable {
  /** Versions of Docker and buildx, for a record of what was measured. */
  readonly versions: string
  /** What a client needs to reach it, its programs first on PATH. */
  readonly env: Readonly<Record<string, string>>
  /** Runs `docker` with these arguments and answers what it printed; throws CallFailed. */
  docker(args: readonly string[], options?: { readonly cwd?: string; readonly timeoutMs?: number }): Promise<string>
}

/** The folder of its programs, fetched when they are not here yet. Throws what kept them from being fetched. */
export const buildkitPrograms = (): Promise<string> =>
  debianPackages('sid', ['docker.io', 'docker-cli', 'docker-buildx', 'containerd'])

/** Where dockerd keeps images: that of containerd is the default since Docker 29, the other one its own of before. */
export type ImageStore = 'containerd' | 'classic'

/**
 * Debian sid's dockerd, by default with the image store of containerd, and its buildx, beside the system's. Needs root, apt
 * and runc. No bridge and no rules of a firewall are made: builds are given `--network host`.
 */
export async function startBuildkit(store: ImageStore = 'containerd'): Promise<Buildkit> {
  const programs = await buildkitPrograms()
  const folder = await mkdtemp(join(tmpdir(), 'naru-buildkit-'))
  const env = {
    DOCKER_HOST: `unix://${join(folder, 'docker.sock')}`,
    DOCKER_CONFIG: join(folder, 'config'),
    PATH: `${join(programs, 'usr/bin')}:${join(programs, 'usr/sbin')}:${process.env.PATH ?? ''}`,
    BUILDX_NO_DEFAULT_ATTESTATIONS: '1',
  }
  const docker: Buildkit['docker'] = (args, options = {}) => call('docker', args, { ...options, env })
  let child: ChildProcess | null = null
  const dispose = async () => {
    if (child !== null) await stop(child)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await mkdir(join(folder, 'config/cli-plugins'), { recursive: true })
    await symlink(
      join(programs, 'usr/libexec/docker/cli-plugins/docker-buildx'),
      join(folder, 'config/cli-plugins/docker-buildx'),
    )
    child = await startDaemon(folder, env, store)
    await answers(child, docker, join(folder, 'log'))
    const versions = await docker(['version', '--format', 'docker {{.Server.Version}}'])
    const buildx = await docker(['buildx', 'version'])
    return {
      versions: `${versions.trim()}, buildx ${buildx.trim().split(' ')[1]}`,
      env,
      docker,
      [Symbol.asyncDispose]: dispose,
    }
  } catch (failed) {
    await dispose()
    throw failed
  }
}

async function startDaemon(
  folder: string,
  env: Readonly<Record<string, string>>,
  store: ImageStore,
): Promise<ChildProcess> {
  const config = join(folder, 'daemon.json')
  const ofStore = store === 'containerd' ? {} : { 'storage-driver': 'vfs' }
  const features = { 'containerd-snapshotter': store === 'containerd' }
  await writeFile(config, JSON.stringify({ features, ...ofStore }))
  const at = (name: string) => join(folder, name)
  const args = ['--config-file', config, '--data-root', at('data'), '--exec-root', at('exec'), '-p', at('pid')]
  const network = ['--bridge', 'none', '--iptables=false', '--ip6tables=false', '--ip-forward=false']
  const log = await open(at('log'), 'w')
  try {
    // It ends with this process, however that ends.
    return spawn('setpriv', ['--pdeathsig', 'TERM', 'dockerd', ...args, '-H', env.DOCKER_HOST ?? '', ...network], {
      env: { ...process.env, ...env },
      stdio: ['ignore', log.fd, log.fd],
    })
  } finally {
    await log.close()
  }
}

async function answers(child: ChildProcess, docker: Buildkit['docker'], log: string): Promise<void> {
  const failed = { reason: '' }
  child.once('error', ({ message }) => Object.assign(failed, { reason: message }))
  child.once('exit', (code) => Object.assign(failed, { reason: `dockerd ended with ${code}` }))
  const until = performance.now() + START_MS
  for (const delay of backoff()) {
    const up = await docker(['version'], { timeoutMs: 10_000 }).then(
      () => true,
      () => false,
    )
    if (up) return
    if (failed.reason !== '' || performance.now() > until) {
      const said = (await readFile(log, 'utf8')).split('\n').slice(-8).join('\n')
      throw new Error(`no BuildKit: ${failed.reason || 'dockerd does not answer'}\n${said}`)
    }
    await systemClock.sleep(delay, never)
  }
}

/** SIGTERM first, so that it ends its own containerd. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 30_000)
  await gone
  clearTimeout(late)
}
