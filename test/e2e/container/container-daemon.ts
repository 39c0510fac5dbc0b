import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { run, type RunResult } from '../../../src/os/run.ts'

const DAEMON = ['/usr/sbin/dockerd', '/usr/bin/dockerd'].find((path) => existsSync(path))
const env = { PATH: `${process.env.PATH}:/usr/sbin:/sbin` }

/** Why there can be no dockerd of the test's own here; null: there can. */
export const whyNoDaemon: string | null =
  process.geteuid?.() !== 0 ? 'needs root' : DAEMON === undefined ? 'needs dockerd' : null

/** A dockerd of the test's own, with folders, socket and cgroups that are its own. No bridge and no rule in the kernel. */
export class ContainerDaemon {
  readonly #folder: string
  readonly #child: ChildProcess
  readonly #cgroup: string

  private constructor(folder: string, cgroup: string) {
    const at = (name: string) => join(folder, name)
    const log = openSync(at('log'), 'a')
    const folders = ['--data-root', at('d'), '--exec-root', at('e'), '--pidfile', at('p'), '-H', `unix://${at('s')}`]
    const quiet = ['--bridge=none', '--iptables=false', '--ip6tables=false', `--cgroup-parent=/${cgroup}`]
    this.#folder = folder
    this.#cgroup = cgroup
    this.#child = spawn(DAEMON ?? '', [...folders, ...quiet], { env, stdio: ['ignore', log, log] })
  }

  static async start(): Promise<ContainerDaemon> {
    const daemon = new ContainerDaemon(mkdtempSync(join(tmpdir(), 'naru-dockerd-')), `naru-test-${process.pid}`)
    await vi.waitFor(
      async () => {
        const { code, stderr } = await daemon.docker(['info'])
        if (code !== 0) throw new Error(`${stderr}\n${readFileSync(join(daemon.#folder, 'log'), 'utf8')}`)
      },
      { timeout: 50_000, interval: 250 },
    )
    return daemon
  }

  docker(args: readonly string[], input?: Uint8Array): Promise<RunResult> {
    return run('docker', ['-H', `unix://${join(this.#folder, 's')}`, ...args], {
      env,
      timeoutMs: 450_000,
      signal: new AbortController().signal,
      ...(input === undefined ? {} : { input }),
    })
  }

  async close(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.kill('SIGTERM')) await once(this.#child, 'exit')
    rmSync(this.#folder, { recursive: true, force: true })
    const root = '/sys/fs/cgroup'
    // Version 1 has a hierarchy for each controller, version 2 has one.
    for (const folder of [root, ...readdirSync(root).map((name) => join(root, name))]) {
      if (existsSync(join(folder, this.#cgroup))) rmdirSync(join(folder, this.#cgroup))
    }
  }
}
