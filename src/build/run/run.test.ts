import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { SandboxOptions } from './run-sandboxes.ts'
import { aBusyboxBuild, failure, hasBusybox } from './testing.ts'

const able = hasBusybox && process.geteuid?.() === 0
const hasRunc = ['/usr/sbin/runc', '/usr/bin/runc'].some((path) => existsSync(path))
/** Where CVE-2024-21626 looked for what a runtime has open. */
const descriptors = [3, 7, 8, 9].map((fd) => `/proc/self/fd/${fd}`)
const lines = (...all: readonly string[]) => `${['FROM busybox:1', ...all].join('\n')}\n`

const KINDS: readonly (readonly [string, SandboxOptions, boolean])[] = [
  ['by namespaces', { runtimes: [] }, able],
  ['by runc', { runtimes: ['runc'] }, able && hasRunc],
]

describe.each(KINDS)('RUN %s (needs root, busybox and the runtime)', (_name, options, here) => {
  it.skipIf(!here)('runs a command on its stage, and what it did becomes a layer', async () => {
    await using build = await aBusyboxBuild(
      {
        Dockerfile: lines(
          'COPY f /data/f',
          'RUN cat /data/f > /data/g && rm /data/f',
          'RUN ["sh", "-c", "echo $PATH > /path"]',
        ),
        f: 'hello',
      },
      options,
    )
    const { files, layers } = await build.image()
    expect(files['data/g']).toBe('f 644 0:0 hello')
    expect(files.path).toContain('/usr/local/sbin')
    expect(layers.at(-2)).toEqual(['data', 'data/.wh.f', 'data/g'])
    expect(layers.at(-1)).toEqual(['path'])
  })

  it.skipIf(!here)(
    'shows a sandbox of its own: processes, name, devices, mounts and nothing of the machine',
    async () => {
      const checks = [
        'echo pid $$',
        'hostname',
        'ls /dev | tr "\\n" " "; echo',
        'echo x > /dev/null && head -c 4 /dev/urandom | wc -c',
        'umask',
        'echo 1 > /proc/sys/vm/drop_caches || echo read-only',
        'mount -t tmpfs none /old || echo no mount',
        'mknod /n c 1 3 || echo no node',
        'cat /proc/mounts | grep -c " / "',
        `ls ${process.cwd()} || echo no host`,
        'cat /etc/resolv.conf > /dev/null && grep -c naru-build /etc/hosts',
        'cat; echo stdin ended',
      ]
      await using build = await aBusyboxBuild(
        { Dockerfile: lines('RUN <<EOF', 'exec > /said 2> /dev/null', ...checks, 'EOF') },
        options,
      )
      const { files, layers } = await build.image()
      const said = files.said?.split(' ').slice(3).join(' ').trim().split('\n') ?? []
      expect(said).toEqual([
        'pid 1',
        'naru-build',
        expect.stringContaining('fd full mqueue null'),
        '4',
        '0022',
        'read-only',
        'no mount',
        'no node',
        '1',
        'no host',
        '1',
        'stdin ended',
      ])
      expect(layers.at(-1)).toEqual(['said'])
    },
  )

  it.skipIf(!here)('stands in the image’s own folder, wherever links and mounts lead', async () => {
    await using build = await aBusyboxBuild(
      {
        Dockerfile: lines(
          'RUN mkdir /mine && touch /mine/inside && ln -s /mine /link && ln -s ../../../../mine /up',
          'WORKDIR /link',
          'RUN ls > /one',
          'WORKDIR /up',
          'RUN ls > /two',
          'WORKDIR /m/link',
          'RUN --mount=target=/m ls > /three',
        ),
        link: { link: '/mine' },
      },
      options,
    )
    const { files } = await build.image()
    for (const path of ['one', 'two', 'three']) expect(files[path]).toBe('f 644 0:0 inside\n')
  })

  it.skipIf(!here).each([['/proc/self/fd/3'], ['/proc/1/root'], ['/dev/fd/3']])(
    'refuses to stand in %s',
    async (path) => {
      await using build = await aBusyboxBuild(
        { Dockerfile: lines('RUN true', `WORKDIR ${path}`, 'RUN ls > /x') },
        options,
      )
      expect((await failure(build)).message).toContain('cannot be the folder of a RUN')
    },
  )

  it.skipIf(!here).each(['/proc/1/root', '/proc/self/root', '/proc/1/cwd', ...descriptors])(
    'does not reach the machine by a link of a mount to %s',
    async (target) => {
      await using build = await aBusyboxBuild(
        {
          // What the image has there must not make it look as if that was meant.
          Dockerfile: lines(
            `COPY own ${target}/`,
            'WORKDIR /m/link',
            'RUN --mount=target=/m ls -d boot etc/os-release ../etc/os-release > /out; true',
          ),
          own: '',
          link: { link: target },
        },
        options,
      )
      const { files } = await build.image().catch((failed: Error) => ({ files: { out: failed.message } }))
      expect(files.out).toMatch(/cannot be the folder of a RUN|cannot chdir to|^f 644 0:0 $/)
    },
  )

  it.skipIf(!here)('has the machine’s network, or none when asked', async () => {
    const links = 'ls /sys/class/net | wc -l'
    await using build = await aBusyboxBuild(
      { Dockerfile: lines(`RUN ${links} > /host`, `RUN --network=none ${links} > /none`) },
      options,
    )
    const { files } = await build.image()
    const count = readdirSync('/sys/class/net').filter((name) => name !== 'bonding_masters').length
    expect(files.host).toBe(`f 644 0:0 ${readdirSync('/sys/class/net').length}\n`)
    expect(Number(files.none?.split(' ').at(-1))).toBeLessThanOrEqual(count)
  })

  it.skipIf(!here)('tells the place, the exit code and the last lines of a command that fails', async () => {
    await using build = await aBusyboxBuild(
      { Dockerfile: lines('', 'RUN echo going; echo wrong >&2; exit 3') },
      options,
    )
    const failed = await failure(build)
    expect(failed).toMatchObject({ code: 'BUILD_RUN_FAILED', detail: { line: 3, exitCode: 3 } })
    expect(failed.message).toContain('Dockerfile:3:1: RUN echo going')
    expect(failed.message).toContain('ended with exit code 3; its last lines:')
    expect(failed.message).toContain('wrong')
  })

  it.skipIf(!here)('ends a command that takes too long, with all that it started', async () => {
    const marker = `31${process.pid}`
    await using build = await aBusyboxBuild(
      { Dockerfile: lines(`RUN sleep ${marker} & sleep ${marker}`) },
      { ...options, runTimeoutMs: 1500 },
    )
    expect((await failure(build)).message).toContain('did not end within 1.5 s')
    await expect.poll(() => commands().filter((line) => line.includes(marker)), { timeout: 20_000 }).toEqual([])
    expect(readdirSync(join(build.cacheFolder, 'sandbox', 'work'))).toEqual([])
    expect(cgroups()).toEqual([])
  })

  it.skipIf(!here)('gives secrets to the command, and to nothing else', async () => {
    const secret = `canary-${process.pid}-value`
    const check =
      'cat /run/secrets/t > /dev/null; test "$T" = "$(cat /run/secrets/t)" && stat -c %a:%u /run/secrets/t && echo told $T'
    await using build = await aBusyboxBuild(
      {
        Dockerfile: lines(
          `RUN --mount=type=secret,id=t --mount=type=secret,id=t,env=T ${check} > /dev/null; echo told $T; grep -c . /proc/1/cmdline`,
        ),
      },
      options,
    )
    const { happenings } = await build.run({ secrets: { t: secret } })
    expect(JSON.stringify(happenings)).toContain('told ***')
    expect(JSON.stringify(happenings)).not.toContain(secret)
    expect(filesWith(build.folder, secret)).toEqual([])
    const again = await build.run({ secrets: { t: 'another value' } })
    expect(again.happenings).toContainEqual(
      expect.objectContaining({ kind: 'build', state: 'finished', cached: true, step: 2 }),
    )
  })
})

/** What RUNs of this process have of cgroups, of either version. */
function cgroups(): readonly string[] {
  const folder = '/sys/fs/cgroup'
  const names = existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : []
  return names
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => [name, ...readdirSync(join(folder, name))])
    .filter((name) => name.startsWith(`naru-build-${process.pid}_`))
}

/** The command lines of all processes. */
function commands(): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
      } catch {
        return ''
      }
    })
}

/** Files below a folder that hold a text. */
function filesWith(folder: string, text: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path, 'latin1').includes(text))
}
