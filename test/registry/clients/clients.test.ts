import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { registryClient } from '../../../src/registry/client/registry-client.ts'
import { systemClock as clock } from '../../../src/os/system-clock.ts'
import { userCredentials } from '../../../src/registry/client/logins/find-login.ts'
import { copyImage } from '../../../src/registry/copy-image.ts'
import { anImage, never } from '../../../src/registry/testing.ts'
import { aBench, type Bench, needs } from './bench.ts'
import { aDaemon } from './daemon.ts'

const isRoot = process.getuid?.() === 0
const NARU = join(import.meta.dirname, '..', '..', '..', 'bin', 'naru')
const SLOW = { timeout: 180_000 }

/** Runs a test unless a program of it is missing, which its name says then. */
function client(
  name: string,
  programs: readonly string[],
  test: (bench: Bench, skip: (why: string) => void) => Promise<void>,
) {
  const { missing, told } = needs(...programs)
  it.skipIf(missing).for([null])(`${name} ${told}`, SLOW, async (_none, { skip }) => {
    await using bench = await aBench()
    await test(bench, skip)
  })
}

describe('with a login, and with nothing else', () => {
  client('skopeo pulls and pushes', ['skopeo'], async ({ host, token, must, attempt, image, digestOf }) => {
    const at = (name: string) => `docker://${host}/${name}`
    const copy = (from: string, to: string) => [
      'copy',
      '--src-tls-verify=false',
      '--dest-tls-verify=false',
      '--preserve-digests',
      from,
      to,
    ]
    expect((await attempt('skopeo', copy(at('team/shop:1'), 'oci:out:1'))).stderr).toMatch(/unauthorized|log in first/)
    await must('skopeo', ['login', '--tls-verify=false', '-u', 'ci', '--password-stdin', host], token)
    await must('skopeo', copy(at('team/shop:1'), 'oci:out:1'))
    await must('skopeo', copy('oci:out:1', at('team/copy:1')))
    // From one repository to another: the blobs are mounted.
    await must('skopeo', copy(at('team/copy:1'), at('team/mounted:1')))
    for (const name of ['team/copy', 'team/mounted']) expect(await digestOf(name, '1')).toBe(image.descriptor.digest)
    expect(JSON.parse(await must('skopeo', ['list-tags', '--tls-verify=false', at('team/copy')]))).toMatchObject({
      Tags: ['1'],
    })
    expect((await attempt('skopeo', copy('oci:out:1', at('other/shop:1')))).code).not.toBe(0)
    expect((await attempt('skopeo', ['delete', '--tls-verify=false', at('team/copy:1')])).code).not.toBe(0)
    expect(await digestOf('team/copy', '1')).toBe(image.descriptor.digest)
  })

  client(
    'umoci takes apart and makes what skopeo carries',
    ['skopeo', 'umoci'],
    async ({ host, token, must, home, digestOf }) => {
      const creds = (side: 'src' | 'dest') => [`--${side}-creds`, `ci:${token}`, `--${side}-tls-verify=false`]
      await must('skopeo', ['copy', ...creds('src'), `docker://${host}/team/shop:1`, 'oci:layout:1'])
      await must('umoci', ['unpack', '--rootless', '--image', 'layout:1', 'bundle'])
      expect(await readFile(join(home, 'bundle/rootfs/hello'), 'utf8')).toBe('hello')
      await writeFile(join(home, 'bundle/rootfs/more'), 'more')
      await must('umoci', ['repack', '--image', 'layout:2', 'bundle'])
      await must('skopeo', ['copy', ...creds('dest'), 'oci:layout:2', `docker://${host}/team/shop:2`])
      expect(await digestOf('team/shop', '2')).toMatch(/^sha256:/)
      await must('skopeo', ['copy', ...creds('src'), `docker://${host}/team/shop:2`, 'oci:again:2'])
      await must('umoci', ['unpack', '--rootless', '--image', 'again:2', 'bundle2'])
      expect(await readFile(join(home, 'bundle2/rootfs/more'), 'utf8')).toBe('more')
    },
  )

  client('buildah pushes what it builds and pulls it', ['buildah'], async (bench) => {
    const { host, token, must, attempt, digestOf, home } = bench
    const at = ['--root', join(home, 'storage'), '--runroot', join(home, 'run'), '--storage-driver', 'vfs']
    const buildah = (...args: string[]) => must('buildah', [...at, ...args])
    const name = `${host}/team/built:1`
    const container = (await buildah('from', 'scratch')).trim()
    await buildah('copy', container, 'tree/hello', '/hello')
    await buildah('commit', container, name)
    expect((await attempt('buildah', [...at, 'push', '--tls-verify=false', name])).code).not.toBe(0)
    await must('buildah', ['login', '--tls-verify=false', '-u', 'ci', '--password-stdin', host], token)
    await buildah('push', '--tls-verify=false', name)
    expect(await digestOf('team/built', '1')).toMatch(/^sha256:/)
    await buildah('rm', container)
    await buildah('rmi', name)
    await buildah('pull', '--tls-verify=false', name)
    await buildah('push', '--tls-verify=false', name, `docker://${host}/team/built:2`)
    await buildah('rmi', '--all', '--force')
    expect((await attempt('buildah', [...at, 'pull', '--tls-verify=false', `${host}/other/x:1`])).code).not.toBe(0)
  })

  client('docker pulls and pushes, OCI types and its own', ['dockerd', 'docker'], async (bench, skip) => {
    if (!isRoot) return skip('dockerd needs root')
    const { host, token, home, env, must, attempt, image, digestOf } = bench
    const socket = `unix://${home}/d.sock`
    const docker = (...args: string[]) => must('docker', ['--host', socket, ...args])
    const flags = [
      ...['--data-root', join(home, 'data'), '--exec-root', join(home, 'exec'), '--pidfile', join(home, 'pid')],
      ...['--host', socket, '--iptables=false', '--ip6tables=false', '--bridge=none', '--storage-driver', 'vfs'],
    ]
    const answers = async () => (await attempt('docker', ['--host', socket, 'version'])).code === 0
    await using daemon = await aDaemon('dockerd', flags, env, answers)
    if (!daemon.starts) return skip('dockerd does not start on this machine')
    const [from, to] = [`${host}/team/shop:1`, `${host}/team/pushed:1`]
    expect((await attempt('docker', ['--host', socket, 'pull', from])).stderr).toMatch(
      /unauthorized|denied|log in first/,
    )
    const wrong = await attempt('docker', ['--host', socket, 'login', '-u', 'ci', '--password-stdin', host], 'wrong')
    expect(wrong.stderr).toContain('unauthorized: the name or the password is wrong')
    await must('docker', ['--host', socket, 'login', '-u', 'ci', '--password-stdin', host], token)
    expect(await docker('pull', from)).toContain(image.descriptor.digest)
    await docker('tag', from, to)
    await docker('push', to)
    expect(await digestOf('team/pushed', '1')).toMatch(/^sha256:/)
    await docker('rmi', from, to)
    await docker('pull', to)
    expect((await docker('image', 'inspect', '--format', '{{.Id}}', to)).trim()).toBe(image.configBlob.digest)
    const older = await anImage(bench.store, 'team/older', { tags: ['1'], layers: [bench.layer], docker: true })
    expect(await docker('pull', `${host}/team/older:1`)).toContain(older.descriptor.digest)
    await docker('tag', to, `${host}/other/shop:1`)
    const denied = await attempt('docker', ['--host', socket, 'push', `${host}/other/shop:1`])
    expect(denied.code).not.toBe(0)
    expect(denied.stdout + denied.stderr).toMatch(/denied|unauthorized/)
  })

  client('containerd pulls and pushes', ['containerd', 'ctr'], async (bench, skip) => {
    if (!isRoot) return skip('containerd needs root')
    const { host, token, home, env, must, attempt, image, digestOf } = bench
    const socket = join(home, 'c.sock')
    await writeFile(join(home, 'config.toml'), 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    const flags = [
      '--config',
      join(home, 'config.toml'),
      '--address',
      socket,
      '--root',
      join(home, 'croot'),
      '--state',
      join(home, 'cstate'),
    ]
    const ctr = (...args: string[]) => ['--address', socket, 'images', ...args]
    const answers = async () =>
      existsSync(socket) && (await attempt('ctr', ['--address', socket, 'version'])).code === 0
    await using daemon = await aDaemon('containerd', flags, env, answers)
    if (!daemon.starts) return skip('containerd does not start on this machine')
    const [from, to] = [`${host}/team/shop:1`, `${host}/team/pushed:1`]
    const pull = ['pull', '--plain-http', '--snapshotter', 'native']
    const login = ['--user', `ci:${token}`]
    expect((await attempt('ctr', ctr(...pull, from))).code).not.toBe(0)
    await must('ctr', ctr(...pull, ...login, from))
    expect(await must('ctr', ctr('list'))).toContain(image.descriptor.digest)
    await must('ctr', ctr('push', '--plain-http', ...login, to, from))
    expect(await digestOf('team/pushed', '1')).toBe(image.descriptor.digest)
    expect((await attempt('ctr', ctr('push', '--plain-http', ...login, `${host}/other/x:1`, from))).code).not.toBe(0)
  })

  client('naru logs in, and its client pulls, mounts and pushes', [], async (bench) => {
    const { host, token, must, attempt, env, image, digestOf } = bench
    const login = [NARU, 'login', host, '-u', 'ci', '--password-stdin']
    expect((await attempt(process.execPath, login, 'wrong')).stderr).toContain('REGISTRY_AUTH_FAILED')
    await must(process.execPath, login, token)
    const options = {
      host,
      clock,
      credentials: userCredentials(env),
      agents: { authorities: [], client: null, proxyOf: () => null },
    }
    const store = registryClient(options)
    try {
      const from = { store, repository: 'team/shop', reference: '1' }
      const to = { store, repository: 'team/mounted', tags: ['1'] }
      const copied = await copyImage({ from, to, platform: null, mountFrom: async () => ['team/shop'] }, never)
      expect(copied.sentBytes).toBeLessThan(1000)
      expect(await digestOf('team/mounted', '1')).toBe(image.descriptor.digest)
      const other = { store, repository: 'other/shop', tags: ['1'] }
      await expect(
        copyImage({ from, to: other, platform: null, mountFrom: async () => [] }, never),
      ).rejects.toMatchObject({
        code: 'REGISTRY_AUTH_FAILED',
      })
    } finally {
      store.close()
    }
  })
})
