import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, realpathSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { run } from '../../../os/run.ts'
import { craftTar, hasBusybox } from './testing.ts'

const { signal } = new AbortController()
const env = { PATH: process.env.PATH ?? '' }
const DAEMON = ['/usr/sbin/dockerd', '/usr/bin/dockerd'].find((path) => existsSync(path))
// The machine's own /usr is what the container runs from: then / holds links into it.
const merged = ['bin', 'sbin', 'lib'].every((name) => realpathSync(`/${name}`) === `/usr/${name}`)
const able = DAEMON !== undefined && process.geteuid?.() === 0 && hasBusybox && merged
const repository = join(import.meta.dirname, '../../../..')
const program = join(import.meta.dirname, 'ordinary-user', 'testing.ts')
const CGROUP = `naru-test-${process.pid}`

let scratch: string
let daemon: ChildProcess
const docker = (args: readonly string[], input?: Buffer) =>
  run('docker', ['-H', `unix://${join(scratch, 's')}`, ...args], {
    env,
    timeoutMs: 100_000,
    signal,
    ...(input === undefined ? {} : { input }),
  })

/** Nothing on the network, no rule, no bridge: only containers without a network. */
async function startDaemon(): Promise<void> {
  const path = (name: string) => join(scratch, name)
  const folders = [
    '--data-root',
    path('d'),
    '--exec-root',
    path('e'),
    '--pidfile',
    path('p'),
    '-H',
    `unix://${path('s')}`,
  ]
  const quiet = ['--bridge=none', '--iptables=false', '--ip6tables=false', `--cgroup-parent=/${CGROUP}`]
  daemon = spawn(DAEMON ?? '', [...folders, ...quiet], { env, stdio: 'ignore' })
  await vi.waitFor(async () => expect((await docker(['info'])).code).toBe(0), { timeout: 50_000, interval: 250 })
}

describe.runIf(able)("in a container with Docker's default seccomp profile (needs root, dockerd and busybox)", () => {
  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'naru-dockerd-'))
    await startDaemon()
    const links = ['bin', 'sbin', 'lib', 'lib64'].map((name) => ({ name, type: '2', link: `usr/${name}` }))
    const folders = ['usr', 'data', 'tmp'].map((name) => ({ name: `${name}/`, type: '5', mode: 0o1777 }))
    const imported = await docker(['import', '-', 'naru-test:1'], craftTar(...links, ...folders))
    expect(imported.code, imported.stderr).toBe(0)
  }, 90_000)
  afterAll(async () => {
    if (daemon.exitCode === null && daemon.kill('SIGTERM')) await once(daemon, 'exit')
    rmSync(scratch, { recursive: true, force: true })
    for (const controller of readdirSync('/sys/fs/cgroup'))
      for (const name of [join(controller, CGROUP), CGROUP]) {
        const folder = join('/sys/fs/cgroup', name)
        if (existsSync(folder)) rmdirSync(folder)
      }
  }, 60_000)

  async function inContainer(user: string, isolation: string): Promise<Record<string, string>> {
    const mounts = ['/usr', repository].flatMap((path) => ['--volume', `${path}:${path}:ro`])
    const node = ['--volume', `${process.execPath}:/node:ro`]
    const args = ['run', '--rm', '--network=none', '--user', user, ...mounts, ...node, 'naru-test:1']
    const { stdout, stderr } = await docker([...args, '/node', program, '/data/naru', isolation])
    expect(stdout, stderr).toMatch(/^\{/)
    return JSON.parse(stdout)
  }

  it('root gets chroot, with users, secrets and devices, and learns why no more', async () => {
    const told = await inContainer('0', 'chroot')
    expect(told.strongest).toBe('chroot')
    expect(told.why).toMatch(/namespaces: .*not permitted/)
    expect(told.stdout).toMatch(/^1000\n\d+\nnew\nhush\nmine\ncrw-rw-rw-/)
    expect(told.again).not.toContain('mine')
    expect(told.exec).toContain('new')
  })

  it('an ordinary user gets none: the program, PATH and working directory are in the root folder', async () => {
    const told = await inContainer('65534', 'none')
    expect(told.strongest).toBe('none')
    expect(told.relative).toBe('new')
  })
})
