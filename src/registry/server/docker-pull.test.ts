import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { run } from '../../os/run.ts'
import { aFolder, anImage, aRegistry, never } from '../testing.ts'

const DOCKERD = '/usr/sbin/dockerd'
const DOCKER = ['/usr/bin/docker', '/usr/local/bin/docker'].find((path) => existsSync(path))
const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/nonexistent' }

/** A Docker daemon of its own in a folder; null where it does not start here. */
async function aDaemon(folder: string) {
  const socket = join(folder, 'd.sock')
  const daemon = spawn(
    DOCKERD,
    [
      ...['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'), '--pidfile', join(folder, 'pid')],
      ...['--host', `unix://${socket}`, '--iptables=false', '--ip6tables=false', '--bridge=none'],
      ...['--storage-driver', 'vfs'],
    ],
    { env, stdio: 'ignore' },
  )
  const ended = once(daemon, 'exit')
  const docker = (...args: string[]) =>
    run(DOCKER ?? 'docker', ['--host', `unix://${socket}`, ...args], { env, timeoutMs: 60_000, signal: never })
  const starts = expect
    .poll(async () => daemon.exitCode ?? (await docker('version')).code, { timeout: 25_000, interval: 250 })
    .toBe(0)
    .then(
      () => daemon.exitCode === null,
      () => false,
    )
  return {
    starts,
    docker,
    [Symbol.asyncDispose]: async () => {
      daemon.kill('SIGTERM')
      await ended
    },
  }
}

describe.skipIf(!existsSync(DOCKERD) || DOCKER === undefined || process.getuid?.() !== 0)(
  'docker pull (needs dockerd, docker and root)',
  () => {
    it.for([false, true])('takes an image (Docker types: %s)', { timeout: 120_000 }, async (docker, { skip }) => {
      await using folder = await aFolder()
      await using registry = await aRegistry()
      await mkdir(join(folder.path, 'root'))
      await writeFile(join(folder.path, 'root', 'hello'), 'hello')
      const tar = await run('tar', ['-cf', 'layer.tar', '-C', 'root', '.'], {
        cwd: folder.path,
        env,
        timeoutMs: 10_000,
        signal: never,
      })
      expect(tar.code).toBe(0)
      const layer = await readFile(join(folder.path, 'layer.tar'))
      const { configBlob, descriptor } = await anImage(registry.store, 'team/shop', {
        tags: ['v1'],
        layers: [layer],
        docker,
      })
      await using daemon = await aDaemon(folder.path)
      if (!(await daemon.starts)) return skip('dockerd does not start on this machine')
      const pulled = await daemon.docker('pull', `${registry.host}/team/shop:v1`)
      expect(pulled.stdout + pulled.stderr).toContain(descriptor.digest)
      const inspected = await daemon.docker('image', 'inspect', '--format', '{{.Id}}', `${registry.host}/team/shop:v1`)
      expect(inspected.stdout.trim()).toBe(configBlob.digest)
    })
  },
)
