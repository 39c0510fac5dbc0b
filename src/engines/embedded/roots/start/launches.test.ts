import { describe, expect, it } from 'vitest'
import { cgroupSettings } from '../limits/cgroup-files.ts'
import { commandLine, environment, stopSignal } from '../image/command-line.ts'
import { checkSecretNames, splitEnvironment } from './enter-chain.ts'
import { mountTable } from './mount-table.ts'
import type { Program } from '../image/find-program.ts'
import { isolationNotes } from './isolation-notes.ts'
import { type LaunchFrame, launchInChroot, launchInNamespaces } from './launch-rooted.ts'
import { launchUnrooted } from './launch-none.ts'

const tools = {
  unshare: '/u/unshare',
  nsenter: '/u/nsenter',
  setpriv: '/u/setpriv',
  mount: '/u/mount',
  sh: '/b/sh',
  env: '/b/env',
  mknod: null,
}
const user = { uid: 1000, gid: 1001, groups: [44], home: '/home/app' }
const frame: LaunchFrame = { stopSignal: 'SIGTERM', cgroups: [], cgroupSteps: [], secretFiles: [], secretEnv: [] }
const program = { tools, user, cwd: '/app', command: ['/bin/node', 'a b'], env: { A: '1' }, envProgram: null }
const place = {
  layers: '/d/layers',
  root: '/d/r/root',
  mountTable: '/d/r/mounts',
  hostname: 'web-1-1',
  enter: '/n/enter.sh',
  userNamespace: false,
}
const words = (list: readonly string[]) => list.join(' ').replace(/--bounding-set=\S+/, '--bounding-set=…')

describe('a launch', () => {
  it('in namespaces enters by unshare and becomes the program by user', () => {
    const launch = launchInNamespaces(program, place, frame)
    const chain =
      '/u/setpriv --regid 1001 --groups 44 --bounding-set=… -- /u/unshare --root=. --wd=/app --setuid 1000 -- /bin/node a b'
    const enter = (when: string) =>
      '/u/unshare --mount --pid --ipc --uts --fork --kill-child -- ' +
      `/b/sh /n/enter.sh /u/mount /d/layers /d/r/mounts /d/r/root web-1-1 ${when} ` +
      `/b/env ${chain}`
    expect(words([launch.program, ...launch.args])).toBe(enter('now'))
    expect(words([launch.program, ...(launch.held ?? [])])).toBe(enter('held'))
    expect(launch.signalTo).toBe('grandchild')
    expect(launch.env).not.toHaveProperty('A')
    expect(launch.env).toMatchObject({ NARU_ENTER_0: 'A=1' })
  })

  it('in a user namespace has the one id that is there', () => {
    const { args } = launchInNamespaces(program, { ...place, userNamespace: true }, frame)
    expect(args.slice(0, 2)).toEqual(['--user', '--map-root-user'])
    expect(words(args)).toMatch(
      /\/u\/setpriv --bounding-set=… -- \/u\/unshare --root=\. --wd=\/app -- \/bin\/node a b$/,
    )
  })

  it.each([
    ['nsenter', '/u/nsenter --root=/d/r/root --wdns=/app'],
    ['old-nsenter', '/u/nsenter --root=/d/r/root --wd=/d/r/root/app'],
  ] as const)('in chroot by %s is one process, and root stays root', (by, entered) => {
    const root = { ...program, user: { uid: 0, gid: 0, groups: [], home: '/root' } }
    const launch = launchInChroot(root, { root: '/d/r/root', by }, frame)
    expect(words([launch.program, ...launch.args])).toBe(
      `/u/setpriv --regid 0 --clear-groups --bounding-set=… -- ${entered} -- /bin/node a b`,
    )
    expect(launch.signalTo).toBe('child')
  })

  const binary: Program = { inside: '/bin/node', resolved: '/bin/node', script: null, loader: '/lib64/ld.so' }
  const script: Program = {
    inside: '/app/run',
    resolved: '/app/run',
    script: { interpreter: binary, argument: '-x' },
    loader: null,
  }
  const unrooted = {
    root: '/r',
    args: ['a'],
    cwd: '/app',
    env: { PATH: '/bin:/usr/bin', HOME: '/root' },
    pathOf: ({ resolved }: Program) => `/r${resolved}`,
  }
  it.each([
    ['directly when the loader of the machine fits', binary, true, /^\/r\/bin\/node a$/],
    [
      'by the loader of the image when it does not',
      binary,
      false,
      /^\/r\/lib64\/ld\.so --library-path \S+ \/r\/bin\/node a$/,
    ],
    ['by its interpreter when it is a script', script, true, /^\/r\/bin\/node -x \/r\/app\/run a$/],
  ] as const)('without isolation starts a program %s', (_name, which, hostLoaderFits, expected) => {
    const launch = launchUnrooted({ ...unrooted, program: which, hostLoaderFits }, frame)
    expect([launch.program, ...launch.args].join(' ')).toMatch(expected)
    expect(launch.env).toMatchObject({ PATH: '/r/bin:/r/usr/bin', HOME: '/r/root' })
    expect(launch.cwd).toBe('/r/app')
  })
})

describe('the words of an image', () => {
  it.each([
    ['CMD alone', { Cmd: ['a', 'b'] }, null, 'a b'],
    ['ENTRYPOINT and CMD', { Entrypoint: ['e'], Cmd: ['a'] }, null, 'e a'],
    ['run in place of CMD', { Entrypoint: ['e'], Cmd: ['a'] }, ['r'], 'e r'],
    ['an ENTRYPOINT that was taken away', { Entrypoint: null, Cmd: ['a'] }, null, 'a'],
  ] as const)('make a command of %s', (_name, config, replaced, expected) => {
    expect(commandLine(config, replaced).join(' ')).toBe(expected)
  })

  it('make an environment in which the role is stronger than the app, and the app than the image', () => {
    const env = environment(
      { Env: ['A=i', 'B=i', 'C=i', 'X=a=b', 'rubbish'] },
      user,
      { B: 'a', C: 'a' },
      { C: 'r' },
      { PORT: '1' },
    )
    expect(env).toMatchObject({ A: 'i', B: 'a', C: 'r', X: 'a=b', PORT: '1', HOME: '/home/app' })
    expect(env.PATH).toContain('/usr/bin')
  })

  it.each([
    [undefined, 'SIGTERM'],
    ['SIGQUIT', 'SIGQUIT'],
    ['int', 'SIGINT'],
    ['3', 'SIGQUIT'],
  ] as const)('make %s the stop signal %s', (written, expected) => expect(stopSignal(written)).toBe(expected))

  it('are refused when they name no signal', () => {
    expect(() => stopSignal('SIGNOTHING')).toThrow(/stop signal/)
  })
})

it('what steers loaders and shells is kept from the tools, also under a secret’s name', () => {
  const { env, inside } = splitEnvironment({ A: '1', LD_PRELOAD: 'x.so', GLIBC_TUNABLES: 't' })
  expect([env, inside]).toEqual([{ A: '1' }, ['LD_PRELOAD=x.so', 'GLIBC_TUNABLES=t']])
  for (const name of ['LD_AUDIT', 'GCONV_PATH', 'IFS', 'BASH_ENV', 'PATH'])
    expect(() => checkSecretNames(['GOOD', name])).toThrow(name)
  checkSecretNames(['NODE_AUTH_TOKEN', 'DB_PASSWORD', 'MAILGUN_KEY'])
})

it('mounts are written as fstab reads them, blanks as octal numbers', () => {
  const overlay = { lowers: ['../replicas/a/base', '2', '1'], upper: 'u', work: 'w', user: true }
  const table = mountTable({
    root: '/my data/r',
    overlay,
    files: [{ from: '/s/a', to: '/run/a' }],
    readOnly: ['/proc/sys'],
  })
  expect(table).toContain(
    'overlay /my\\040data/r overlay lowerdir=../replicas/a/base:2:1,upperdir=u,workdir=w,userxattr 0 0\n',
  )
  expect(table).toContain('/s/a /my\\040data/r/run/a none bind 0 0\n')
  expect(table).toContain('/proc/sys /my\\040data/r/proc/sys none bind,ro,nosuid,nodev,noexec 0 0\n')
})

it.each([
  [
    1,
    [
      'memory.limit_in_bytes=64',
      'memory.memsw.limit_in_bytes=64',
      'cpu.shares=512',
      'cpu.cfs_period_us=100000',
      'cpu.cfs_quota_us=25000',
    ],
  ],
  [2, ['memory.max=64', 'memory.swap.max=0', 'memory.oom.group=1', 'cpu.weight=20', 'cpu.max=25000 100000']],
] as const)(
  'limits become files of cgroup version %d: a request is a weight, only the limit a cap',
  (version, expected) => {
    const limits = { cpuRequestMilli: 500, cpuLimitMilli: 250, memoryRequestBytes: 1, memoryLimitBytes: 64 }
    expect(cgroupSettings(version, limits).map(({ file, value }) => `${file}=${value}`)).toEqual([
      ...expected,
      'pids.max=16384',
    ])
  },
)

it('what is not limited is told', () => {
  const found = { isolation: 'user-namespaces', overlay: true, entrance: 'unshare', why: [] } as const
  const notes = isolationNotes(found, { limits: ['cpu'], nodes: false, secretsInMemory: true })
  expect(notes).toContain('memory is not limited here: no cgroup that this user may write')
  expect(notes.join()).not.toContain('cpu is not')
})
