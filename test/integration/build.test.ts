import { execFile } from 'node:child_process'
import { lstat, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { aBuild } from '../../src/build/testing.ts'
import { OciLayout } from '../../src/registry/oci-layout.ts'

const exec = promisify(execFile)
const has = (program: string) =>
  exec('which', [program]).then(
    () => true,
    () => false,
  )
const skopeo = await has('skopeo')
const umoci = (await has('umoci')) && process.getuid?.() === 0

const FILES = {
  Dockerfile:
    'FROM scratch AS base\nCOPY base /\nFROM base\nWORKDIR /app\nCOPY --chown=1000:50 app .\nCOPY --from=base /etc/motd /etc/motd2\nUSER 1000\nCMD ["./run"]\n',
  'base/etc/motd': 'welcome\n',
  'base/lib': { link: 'usr/lib' },
  'base/usr/lib/x': 'x',
  'app/run': { run: '#!/bin/sh\n' },
  'app/나루/긴-이름.txt': '가'.repeat(500),
  [`app/${'deep/'.repeat(30)}file`]: 'deep',
} as const

describe('an image that Naru built is read by others', () => {
  it.skipIf(!skopeo)('skopeo checks every digest and sees the same settings (left out without skopeo)', async () => {
    await using build = await aBuild(FILES)
    const folder = join(build.folder, 'layout')
    const destination = { store: await OciLayout.open(folder), repository: 'shop', tags: ['v1'] }
    const { artifact, layers } = await build.run({ destination })
    const copy = join(build.folder, 'copy')
    await exec('skopeo', ['copy', '-q', '--insecure-policy', `oci:${folder}:v1`, `oci:${copy}:v1`])
    const { stdout } = await exec('skopeo', ['inspect', `oci:${copy}:v1`])
    const seen = JSON.parse(stdout) as { Digest: string; Layers: readonly string[] }
    expect(seen.Digest).toBe(artifact.digest)
    expect(seen.Layers).toEqual(layers.map(({ digest }) => digest))
    const config = await exec('skopeo', ['inspect', '--config', `oci:${copy}:v1`])
    expect(JSON.parse(config.stdout)).toMatchObject({
      created: '2023-11-14T22:13:20Z',
      config: { User: '1000', WorkingDir: '/app', Cmd: ['./run'] },
    })
  })

  it.skipIf(!umoci)(
    'umoci unpacks files, links, owners and modes as they were asked for (left out without umoci or root)',
    async () => {
      await using build = await aBuild(FILES)
      const folder = join(build.folder, 'layout')
      await build.run({ destination: { store: await OciLayout.open(folder), repository: 'shop', tags: ['v1'] } })
      await exec('umoci', ['unpack', '--image', `${folder}:v1`, join(build.folder, 'bundle')])
      const at = (path: string) => join(build.folder, 'bundle', 'rootfs', path)
      expect(await readFile(at('etc/motd2'), 'utf8')).toBe('welcome\n')
      expect(await readlink(at('lib'))).toBe('usr/lib')
      expect(await readFile(at('app/나루/긴-이름.txt'), 'utf8')).toBe('가'.repeat(500))
      expect(await readFile(at(`app/${'deep/'.repeat(30)}file`), 'utf8')).toBe('deep')
      expect(await lstat(at('app/run'))).toMatchObject({ uid: 1000, gid: 50, mode: 0o100755 })
      expect(await lstat(at('app'))).toMatchObject({ uid: 0, gid: 0, mode: 0o40755 })
    },
  )
})
