import { existsSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DeployError } from '../../model/failure.ts'
import type { SandboxOptions } from './run-sandboxes.ts'
import { aBuild, type TestBuild, type TestFile, writeTree } from '../testing.ts'

const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path))
export const hasBusybox = BUSYBOX !== undefined

const APPLETS = [
  'sh',
  'cat',
  'ls',
  'id',
  'echo',
  'env',
  'mkdir',
  'rm',
  'touch',
  'ln',
  'chmod',
  'chown',
  'stat',
  'sleep',
]
const MORE_APPLETS = [
  'hostname',
  'tr',
  'head',
  'mknod',
  'mv',
  'cp',
  'dd',
  'pwd',
  'test',
  'true',
  'false',
  'wc',
  'grep',
  'sed',
  'find',
  'date',
  'mount',
  'ps',
]
const PASSWD = ['root:x:0:0:root:/root:/bin/sh', 'app:x:1000:1001:app:/home/app:/bin/sh', '']
const GROUP = ['root:x:0:', 'app:x:1001:', 'extra:x:2000:app', '']

/** A build whose store has the image `busybox:1`: a static busybox with links, users, /tmp and /old/{a,b/c}. */
export async function aBusyboxBuild(
  files: Readonly<Record<string, TestFile>>,
  options: SandboxOptions = {},
): Promise<TestBuild> {
  if (BUSYBOX === undefined) throw new Error('needs busybox')
  const build = await aBuild(files, options)
  const root = join(build.folder, 'base')
  await writeTree(root, {
    Dockerfile: [
      'FROM scratch',
      'COPY --chmod=755 busybox /bin/busybox',
      'COPY links /bin/',
      'COPY etc /etc',
      'COPY old /old',
      'WORKDIR /tmp',
      'WORKDIR /root',
      'WORKDIR /',
    ].join('\n'),
    ...Object.fromEntries([...APPLETS, ...MORE_APPLETS].map((name) => [`links/${name}`, { link: 'busybox' }])),
    'etc/passwd': PASSWD.join('\n'),
    'etc/group': GROUP.join('\n'),
    'old/a': 'A',
    'old/b/c': 'C',
  })
  await copyFile(BUSYBOX, join(root, 'busybox'))
  await build.run({ root, destination: { store: build.store, repository: 'busybox', tags: ['1'] } })
  return build
}

/** What a build is refused with. */
export async function failure(build: TestBuild, request: Parameters<TestBuild['run']>[0] = {}): Promise<DeployError> {
  return build.run(request).then(
    () => {
      throw new Error('it was built')
    },
    (failed: unknown) => {
      if (failed instanceof DeployError) return failed
      throw failed
    },
  )
}
