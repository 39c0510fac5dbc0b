import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { App } from '../../../model/app.ts'
import type { ImageConfig } from '../../../model/descriptor.ts'
import { systemClock } from '../../../os/system-clock.ts'
import type { Isolation, ReplicaPlace } from '../launch.ts'
import { Cgroups } from './limits/cgroups.ts'
import { removeTree } from './layers/remove-tree.ts'
import { openReplicaRoots } from './replica-roots.ts'
import { aBusyboxRelease, CraftedStore, hasBusybox, output, scope, start } from './testing.ts'

const { signal } = new AbortController()
const hasNewNsenter = spawnSync('nsenter', ['--help'], { encoding: 'utf8' }).stdout?.includes('--wdns') === true
const isRoot = process.geteuid?.() === 0
let scratch: string
let id: string
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'naru-roots-'))
  id = `t${process.pid.toString(36)}${Math.random().toString(36).slice(2, 6)}`
})
afterEach(async () => {
  removeTree(scratch)
  await Cgroups.open(id).end(systemClock, signal)
  rmSync(join('/dev/shm', `naru-${id}`), { recursive: true, force: true })
})

const store = new CraftedStore()
const aRelease = (config: NonNullable<ImageConfig['config']>, change: Partial<App> = {}) =>
  aBusyboxRelease(store, config, change)
const place = (replica = 'web-1-1'): ReplicaPlace => ({ scope, replica, role: 'web', revision: 1, port: 20_001 })
const open = (isolation: Isolation, folder = scratch) =>
  openReplicaRoots({ folder, instanceId: id, images: store, clock: systemClock, isolation, signal })

const LEVELS = ['namespaces', 'chroot', 'none'] as const
describe.runIf(hasBusybox && isRoot)('a replica of an image, as root (needs root and busybox)', () => {
  it.each(LEVELS)('runs in %s with its user, folder, environment and files', async (isolation) => {
    const roots = await open(isolation)
    const script =
      'id -u; id -g; id -G; cat /proc/self/status | grep CapEff; ls /app; env; cat app-relative /app/../app/new; echo; touch /app/mine; ls -l /dev/null'
    const release = aRelease({
      User: 'app',
      WorkingDir: '/app',
      Entrypoint: ['sh', '-c'],
      Cmd: [script],
      StopSignal: 'QUIT',
    })
    const launch = await roots.launch(place(), release, signal)
    const { stdout, stderr } = await output(launch, { DB_PASSWORD: 'secret' })
    expect(stdout, stderr).toContain('APP=a')
    for (const line of ['ROLE=r', 'IMAGE=i', 'PORT=20001', 'DB_PASSWORD=secret', 'NARU_REVISION=1'])
      expect(stdout).toContain(line)
    expect(launch.stopSignal).toBe('SIGQUIT')
    if (isolation === 'none') return
    expect(stdout.split('\n').slice(0, 3)).toEqual(['1000', '1001', '1001 44'])
    expect(stdout).toContain('\nnew\n')
    expect(stdout).not.toContain('gone')
    expect(stdout).toContain('HOME=/home/app')
    expect(stdout).toMatch(/crw-rw-rw-.*\/dev\/null/)
    // What it writes is its own: the shared layer has not changed.
    const second = await output(await roots.launch(place('web-1-2'), release, signal))
    expect(second.stdout.split('\n')).not.toContain('mine')
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(scratch)
    await roots.remove(scope, 'web-1-1')
    await roots.remove(scope, 'web-1-2')
    await roots.remove(scope, 'web-1-2')
    await roots.prune(scope, [], [], signal)
    expect(readdirSync(join(scratch, 'replicas'))).toEqual([])
    expect(readdirSync(join(scratch, 'layers'))).toEqual(['index.json'])
  })

  it('is PID 1 with a name, a /proc of its own and few capabilities in namespaces, and gets the signal', async () => {
    const roots = await open('namespaces')
    const script =
      'echo pid $$; hostname; grep -E "CapEff|SigIgn" /proc/self/status; ls /proc | grep -c "^[0-9]"; trap "echo bye; exit 7" TERM; echo up; sleep 60 & wait'
    const launch = await roots.launch(place(), aRelease({ Cmd: ['sh', '-c', script] }), signal)
    const child = start(launch)
    let stdout = ''
    child.stdout.on('data', (chunk) => {
      stdout += chunk
    })
    await expect.poll(() => stdout, { timeout: 15_000 }).toContain('up')
    const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim()
    const seen = await output(
      await roots.exec(
        place(),
        aRelease({ Cmd: ['sh'] }),
        ['sh', '-c', 'ps; cat /app/new; hostname'],
        Number(children),
      ),
    )
    process.kill(Number(children), 'SIGTERM')
    await once(child, 'close')
    expect(stdout).toContain('pid 1\nweb-1-1\n')
    expect(stdout).toContain('CapEff:\t00000000a00425fb')
    expect(stdout).toContain('SigIgn:\t0000000000000000')
    expect(stdout).toContain('bye')
    expect(child.exitCode).toBe(7)
    expect(seen.stdout, seen.stderr).toMatch(/sleep 60.*newweb-1-1/s)
  })

  it('is looked at by a command of its own user, when that is not root', async () => {
    const roots = await open('namespaces')
    const release = aRelease({ Cmd: ['sh', '-c', 'echo up; exec sleep 60'], User: 'app', WorkingDir: '/app' })
    const child = start(await roots.launch(place(), release, signal))
    await once(child.stdout, 'data')
    const program = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8'))
    const seen = await output(await roots.exec(place(), release, ['sh', '-c', 'id -u; cat new; hostname'], program))
    process.kill(program, 'SIGKILL')
    await once(child, 'close')
    expect(seen.stdout, seen.stderr).toBe('1000\nnewweb-1-1\n')
  })

  it('does not reach the files of the machine by a second chroot', async () => {
    const roots = await open('namespaces')
    const script = 'busybox mkdir /x; busybox chroot /x /bin/busybox true; cd /; busybox ls -a ../../..; busybox ls /..'
    const { stdout } = await output(await roots.launch(place(), aRelease({ Cmd: ['sh', '-c', script] }), signal))
    expect(stdout).not.toContain('lost+found')
    expect(stdout).not.toContain('boot')
  })

  it.each(['/proc/1/root', '/proc/self/fd/3'])(
    'does not reach the files of the machine by the working directory %s',
    async (WorkingDir) => {
      const roots = await open('namespaces')
      const Cmd = ['sh', '-c', 'busybox pwd; busybox ls -a . ../..']
      const { stdout } = await output(await roots.launch(place(), aRelease({ Cmd, WorkingDir }), signal))
      expect(stdout).not.toContain('lost+found')
      expect(stdout).not.toContain('boot')
      expect(stdout).not.toContain('os-release')
    },
  )

  it.skipIf(!hasNewNsenter)(
    'does not reach the files of the machine in chroot by a link that it puts where its folder was (needs nsenter 2.38)',
    async () => {
      const roots = await open('chroot')
      const release = aRelease({ Cmd: ['sh'], WorkingDir: '/app' })
      await roots.launch(place(), release, signal)
      const check = await roots.exec(place(), release, ['sh', '-c', 'busybox ls -a'], process.pid)
      const folder = join(scratch, 'replicas', `${scope.app}.${scope.environment}.web-1-1`, 'root')
      renameSync(join(folder, 'app'), join(folder, 'was'))
      symlinkSync('/', join(folder, 'app'))
      const { stdout, stderr } = await output(check)
      expect(stdout, stderr).toContain('was')
      expect(stdout).not.toContain('boot')
    },
  )

  it('cannot write what of /proc reaches the machine, as root', async () => {
    const roots = await open('namespaces')
    const path = '/proc/sys/kernel/core_pattern'
    const script = `busybox cat ${path}; echo '|/bin/false' > ${path} && echo written; [ -w /proc/sysrq-trigger ] && echo sysrq; hostname`
    const before = readFileSync(path, 'utf8')
    try {
      const { stdout } = await output(await roots.launch(place(), aRelease({ Cmd: ['sh', '-c', script] }), signal))
      expect(stdout).toBe(`${before}web-1-1\n`)
      expect(readFileSync(path, 'utf8')).toBe(before)
    } finally {
      if (readFileSync(path, 'utf8') !== before) writeFileSync(path, before)
    }
  })

  it('is held to its memory in a cgroup, which goes with it', async () => {
    const roots = await open('namespaces')
    if (!roots.limits.includes('memory')) return
    const script = 'x=$(busybox yes | busybox head -c 200000000 | busybox tr -d "\\n"); echo survived'
    const launch = await roots.launch(place(), aRelease({ Cmd: ['sh', '-c', script] }), signal)
    expect(launch.cgroups.length).toBeGreaterThan(0)
    const { stdout } = await output(launch)
    expect(stdout).not.toContain('survived')
    await roots.remove(scope, 'web-1-1')
    expect(launch.cgroups.filter((file) => existsSync(file))).toEqual([])
  })

  it('cannot fill the machine with processes: its cgroup holds them, and they end with it (F11)', async () => {
    const roots = await open('namespaces')
    // Bounded in any case: 200 is what it tries, 40 what it gets here (a release gets 16,384).
    const script = 'n=0; while [ $n -lt 200 ]; do busybox sleep 60 & n=$((n+1)); done; echo all 200'
    const launch = await roots.launch(place(), aRelease({ Cmd: ['sh', '-c', script] }), signal)
    const group = launch.cgroups.map((file) => join(file, '..')).find((each) => existsSync(join(each, 'pids.max')))
    if (group === undefined) return
    expect(readFileSync(join(group, 'pids.max'), 'utf8').trim()).toBe('16384')
    writeFileSync(join(group, 'pids.max'), '40')
    const { stdout, stderr } = await output(launch)
    expect(stdout).not.toContain('all 200')
    expect(stderr).toMatch(/can't fork|resource/i)
    expect(readFileSync(join(group, 'cgroup.procs'), 'utf8')).toBe('')
    await roots.remove(scope, 'web-1-1')
    expect(existsSync(group)).toBe(false)
  })

  it.each(['namespaces', 'chroot'] as const)('sees a secret as a file of its own in %s', async (isolation) => {
    const roots = await open(isolation)
    const secrets = [{ name: 'TOKEN', file: '/run/secrets/token' }]
    const launch = await roots.launch(
      place(),
      aRelease({ User: 'app', Cmd: ['cat', '/run/secrets/token'] }, { secrets }),
      signal,
    )
    const [file] = launch.secretFiles
    expect(file).toMatchObject({ secret: 'TOKEN', uid: 1000, gid: 1001 })
    writeFileSync(file?.path ?? '', 'hush')
    expect(await output(launch)).toMatchObject({ stdout: 'hush' })
    expect(JSON.stringify(launch)).not.toContain('hush')
  })

  it.each(['namespaces', 'chroot'] as const)(
    'gets LD_ and NODE_OPTIONS only inside in %s: tools of the machine see none of it',
    async (isolation) => {
      const roots = await open(isolation)
      const Env = ['PATH=/bin', 'LD_PRELOAD=/app/evil.so', 'NODE_OPTIONS=--require /app/evil.js']
      const launch = await roots.launch(place(), aRelease({ Env, Cmd: ['env'] }), signal)
      const { stdout, stderr } = await output(launch)
      expect(stdout).toContain('LD_PRELOAD=/app/evil.so')
      expect(stdout).toContain('NODE_OPTIONS=--require /app/evil.js')
      expect(stderr).toBe('')
    },
  )

  it.each<[string, NonNullable<ImageConfig['config']>, string]>([
    ['missing', { Cmd: ['nginx'] }, 'REPLICA_PROGRAM_NOT_FOUND'],
    ['missing at a path', { Cmd: ['/opt/nothing'] }, 'REPLICA_PROGRAM_NOT_FOUND'],
    ['not executable', { Cmd: ['/app/new'] }, 'REPLICA_START_FAILED'],
    ['not said', {}, 'IMAGE_INVALID'],
  ])('is refused before the start when its program is %s', async (_name, config, code) => {
    const roots = await open('namespaces')
    await expect(roots.launch(place(), aRelease(config), signal)).rejects.toMatchObject({ code })
    await expect(roots.launch(place(), aRelease({ ...config, User: 'nobody2' }), signal)).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
    })
    expect(readdirSync(join(scratch, 'replicas'))).toEqual([])
  })

  it('prepares a release once and keeps what kept revisions and replicas use', async () => {
    const roots = await open('namespaces')
    const release = aRelease({ Cmd: ['sh'] })
    await roots.prepare(release, signal)
    const reads = store.reads
    await roots.prepare(release, signal)
    await roots.launch(place(), release, signal)
    await (await open('namespaces')).prepare(release, signal)
    expect(store.reads).toBe(reads)
    await roots.prune(scope, [], ['web-1-1'], signal)
    expect(lstatSync(join(scratch, 'layers')).isDirectory()).toBe(true)
    expect(readdirSync(join(scratch, 'layers')).length).toBeGreaterThan(1)
    await roots.remove(scope, 'web-1-1')
    await roots.prune(scope, [], [], signal)
    expect(readdirSync(join(scratch, 'layers'))).toEqual(['index.json'])
  })

  it('sweeps away what a killed process made ready and never started, but no migration', async () => {
    const roots = await open('namespaces')
    const release = aRelease({ Cmd: ['sh'] })
    await roots.prepare(release, signal)
    for (const name of ['web-1-1', 'web-1-2', 'migrate-1']) await roots.launch(place(name), release, signal)
    await roots.prune(scope, [1], ['web-1-1'], signal)
    const left = readdirSync(join(scratch, 'replicas')).map((key) => key.split('.').at(-1))
    expect(left.sort()).toEqual(['migrate-1', 'web-1-1'])
    for (const name of ['web-1-1', 'migrate-1']) await roots.remove(scope, name)
  })

  it('takes the strongest isolation by itself', async () => {
    const roots = await openReplicaRoots({ folder: scratch, instanceId: id, images: store, clock: systemClock, signal })
    expect(roots.isolation).toBe('namespaces')
    expect(roots.why).toEqual([])
  })
})
