import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { NO_LIMITS } from './run-limits.ts'
import { type Outcome, processesWith, type Trial } from './testing.ts'

/** One way to execute RUNs. */
export interface SandboxKind {
  /** Why it is left out on this machine; null: it is not. */
  readonly missing: string | null
  /** Whether it can hold a command to a size of memory here. */
  readonly limitsMemory: boolean
  /** Whether it filters system calls. */
  readonly filters: boolean
  readonly attempt: (trial: Trial) => Promise<Outcome>
}

/** Where CVE-2024-21626 looked for what a runtime has open. */
const DESCRIPTORS = [3, 7, 8, 9].map((fd) => `/proc/self/fd/${fd}`)
/** Docker's default capabilities without mknod, as the kernel shows them. */
const RIGHTS = '00000000a00425fb'
const MEMORY = 160 * 2 ** 20
const CANARY = 'naru-caller-canary'
const MINUTE_MS = 60_000

/** RUN is the same, whatever executes it: what a command sees, how its end is told, what it leaves, and that nothing else is left. */
export function describeSandbox(name: string, { missing, limitsMemory, filters, attempt }: SandboxKind): void {
  const title = `RUN by ${name}${missing === null ? '' : ` (left out: ${missing})`}`
  describe.skipIf(missing !== null)(title, { timeout: 2 * MINUTE_MS }, () => {
    const built = async (trial: Trial): Promise<Outcome> => {
      const outcome = await attempt(trial)
      expect(outcome).toMatchObject({ failed: null, canceled: false, left: [] })
      return outcome
    }
    const refused = async (trial: Trial): Promise<NonNullable<Outcome['failed']>> => {
      const { failed, left } = await attempt(trial)
      expect(left).toEqual([])
      return failed ?? expect.fail('it was built')
    }

    describe('shows a command', () => shows(built))
    describe('tells', () => tells(built, refused))
    describe('has the network', () => reaches(built))
    describe('leaves', () => leaves(built))
    describe('mounts', () => mounts(built))
    describe('stands', () => stands(built, refused, attempt))
    describe('ends', () => ends(built, attempt))

    it.skipIf(!filters)('does not let a command have all rights in a namespace of its own', async () => {
      const commands = ['unshare -Ur mount -t tmpfs none /old', 'unshare -n true', 'setsid true']
      const { said } = await built({ lines: commands.map((command) => `RUN ${command} && echo did || echo did not`) })
      expect(said.filter((line) => line.startsWith('did'))).toEqual(['did not', 'did not', 'did'])
    })

    it.skipIf(!limitsMemory)('does not let a command have more memory than it may', async () => {
      const lines = ['RUN head -c 400000000 /dev/zero | tr "\\000" x | sed "s/y/z/" > /big']
      const runLimits = { ...NO_LIMITS, memoryBytes: MEMORY }
      expect(await refused({ lines, request: { runLimits } })).toMatchObject({ code: 'BUILD_RUN_FAILED' })
    })

    it.skipIf(limitsMemory)('says that memory cannot be limited where it cannot, and runs', async () => {
      const runLimits = { ...NO_LIMITS, memoryBytes: MEMORY }
      const { said } = await built({ lines: ['RUN echo ran'], request: { runLimits } })
      expect(said).toEqual(['naru: the memory of RUN cannot be limited here', 'ran'])
    })
  })
}

type Built = (trial: Trial) => Promise<Outcome>
type Refused = (trial: Trial) => Promise<NonNullable<Outcome['failed']>>

function shows(built: Built): void {
  it('a sandbox of its own: processes, name, devices, rights, and nothing of the machine', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'naru-host-'))
    writeFileSync(join(folder, 'file'), '')
    const checks: readonly (readonly [string, string])[] = [
      ['echo pid $$', 'pid 1'],
      ['hostname', 'naru-build'],
      ['umask', '0022'],
      ['id', 'uid=0(root) gid=0(root) groups=0(root)'],
      ['grep CapEff /proc/self/status | tr -d "\\t"', `CapEff:${RIGHTS}`],
      ['grep CapBnd /proc/self/status | tr -d "\\t"', `CapBnd:${RIGHTS}`],
      ['echo $(ls /dev)', 'fd full mqueue null pipes ptmx pts random shm stderr stdin stdout tty urandom zero'],
      ['head -c 4 /dev/urandom | wc -c', '4'],
      ['echo x > /dev/null && echo there', 'there'],
      ['echo 1 > /proc/sys/vm/drop_caches || echo read-only', 'read-only'],
      ['mount -t tmpfs none /old || echo no mount', 'no mount'],
      ['mknod /n c 1 3 || echo no node', 'no node'],
      ['grep -c " / " /proc/mounts', '1'],
      [`ls ${folder} || echo no folder`, 'no folder'],
      ['find / -type s | wc -l', '0'],
      ['grep -c naru-build /etc/hosts', '1'],
      ['test -e /etc/resolv.conf && echo resolves', 'resolves'],
      ['cat; echo stdin ended', 'stdin ended'],
    ]
    try {
      const commands = checks.map(([command]) => command)
      const { said, layers } = await built({ lines: ['RUN <<EOF', 'exec 2> /dev/null', ...commands, 'EOF'] })
      expect(said).toEqual(checks.map(([, expected]) => expected))
      expect(layers).toHaveLength(BASE_LAYERS)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('the variables of the build, and none of who builds', async () => {
    process.env[CANARY] = CANARY
    try {
      const { said } = await built({ lines: ['ENV A=1 PATH=/bin', 'ARG B=2', 'RUN ["env"]'] })
      expect([...said].sort()).toEqual(['A=1', 'B=2', 'HOME=/root', 'PATH=/bin'])
    } finally {
      delete process.env[CANARY]
    }
  })

  it('its user with all groups', async () => {
    const lines = ['USER app', 'RUN id -u; id -g; echo $(id -G); echo $HOME', 'USER 7:8', 'RUN echo $(id -u) $(id -G)']
    expect((await built({ lines })).said).toEqual(['1000', '1001', '1001 2000', '/home/app', '7 8'])
  })
}

/** Those of the image busybox:1. */
const BASE_LAYERS = 6

function tells(built: Built, refused: Refused): void {
  it.each([
    ['its own', 'RUN exit 3', {}, 3],
    ['that of a program which is not there', 'RUN ["/nowhere"]', {}, 127],
    ['that of a file which cannot be executed', 'RUN ["/f"]', { f: '' }, 126],
    ['any, whatever it says', 'RUN echo "naru: mount -a failed: no" >&2; exit 125', {}, 125],
  ])('the exit code of a command: %s', async (_name, line, files, exitCode) => {
    const failed = await refused({ lines: ['COPY . /', '', line], files: { x: '', ...files } })
    expect(failed).toMatchObject({ code: 'BUILD_RUN_FAILED', detail: { line: 4, exitCode } })
    expect(failed.message).toContain(`Dockerfile:4:1: ${line}`)
    expect(failed.message).toContain(`ended with exit code ${exitCode}`)
  })

  it('which signal ended a process of a command', async () => {
    const { said } = await built({ lines: [`RUN sh -c 'kill -TERM $$'; echo $?; sh -c 'kill -KILL $$'; echo $?`] })
    expect(said.filter((line) => /^\d+$/.test(line))).toEqual(['143', '137'])
  })

  it('what a command says, and the end of it when it fails', async () => {
    const say = 'echo one; echo two >&2; head -c 200000 /dev/zero | tr "\\000" x; echo; echo -n unended'
    const { said } = await built({ lines: [`RUN ${say}`] })
    expect(said).toEqual(expect.arrayContaining(['one', 'two', 'unended']))
    expect(said.filter((line) => /^x+$/.test(line)).join('')).toHaveLength(200_000)
    const failed = await refused({ lines: ['RUN for i in 1 2 3 4 5; do echo line $i; done; exit 1'] })
    expect(failed.message).toContain('its last lines:\nline 1\nline 2\nline 3\nline 4\nline 5')
  })
}

function reaches(built: Built): void {
  let server: Server
  let url = ''
  beforeAll(async () => {
    server = createServer((_, response) => void response.end('reached\n'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  })
  afterAll(() => server.closeAllConnections())
  afterAll(() => new Promise((resolve) => server.close(resolve)))

  it('of the machine, or none when asked', async () => {
    const get = (name: string) => `echo ${name}; busybox wget -q -O - ${url} 2> /dev/null || grep -c : /proc/net/dev`
    const lines = ['default', 'host', 'none'].map((name) => `RUN --network=${name} ${get(name)}`)
    const { said } = await built({ lines: [`RUN ${get('unasked')}`, ...lines] })
    expect(said).toEqual(['unasked', 'reached', 'default', 'reached', 'host', 'reached', 'none', '1'])
  })
}

function leaves(built: Built): void {
  it('the files of a command as its layer: owners, modes, links, deletions, and nothing beside', async () => {
    const { layers, files } = await built({
      lines: [
        'RUN mkdir /d && echo own > /d/own && touch /d/set && ln -s own /d/link && rm -r /old/a /old/b',
        'RUN chown 1000:1001 /d/own && chmod 4755 /d/set && chown 7:8 /d && chmod 2750 /d && mkdir /old/b',
      ],
    })
    expect(layers.slice(BASE_LAYERS)).toEqual([
      ['d', 'd/link', 'd/own', 'd/set', 'old', 'old/.wh.a', 'old/.wh.b'],
      ['d', 'd/own', 'd/set', 'old', 'old/b'],
    ])
    expect(files).toMatchObject({
      d: 'd 2750 7:8',
      'd/own': 'f 644 1000:1001 own\n',
      'd/set': 'f 4755 0:0 ',
      'd/link': 'l own',
      'old/b': 'd 755 0:0',
    })
  })
}

function mounts(built: Built): void {
  it('a layer that is there twice, of which the upper one counts', async () => {
    const lines = ['COPY one /f', 'COPY two /f', 'COPY one /f', 'RUN cat /f']
    expect(await built({ lines, files: { one: '1\n', two: '2\n' } })).toMatchObject({ said: ['1'] })
  })

  it('folders of the build, caches and memory, of which no layer has anything', async () => {
    const { said, layers } = await built({
      lines: [
        'RUN --mount=target=/c cat /c/f; echo x > /c/f || echo read-only',
        'RUN --mount=target=/c,rw echo new > /c/f && cat /c/f',
        'RUN --mount=target=/c cat /c/f',
        'RUN --mount=type=cache,target=/k,mode=711,uid=5 stat -c %a:%u /k; echo kept > /k/f',
        'RUN --mount=type=cache,target=/k cat /k/f',
        'RUN --mount=type=tmpfs,target=/t,size=1m dd if=/dev/zero of=/t/x bs=1024 count=2048 2> /dev/null || echo full',
      ],
      files: { f: 'old\n' },
    })
    const quiet = said.filter((line) => !line.includes('Read-only file system'))
    expect(quiet).toEqual(['old', 'read-only', 'new', 'old', '711:5', 'kept', 'full'])
    expect(layers).toHaveLength(BASE_LAYERS)
  })

  it('secrets for the command, and for nothing else', async () => {
    const secret = `canary-${process.pid}-value`
    const check = 'test "$T" = "$(cat /run/secrets/t)" && stat -c %a:%u /run/secrets/t && echo told $T'
    const flags = '--mount=type=secret,id=t --mount=type=secret,id=t,env=T'
    const lines = [`RUN ${flags} ${check}`, 'RUN ls /run/secrets || echo told $T']
    const { said, layers, holding } = await built({ lines, request: { secrets: { t: secret } } })
    expect(said.filter((line) => !line.startsWith('ls'))).toEqual(['400:0', 'told ***', 'told'])
    expect(JSON.stringify(said)).not.toContain(secret)
    expect({ holding, more: layers.length - BASE_LAYERS }).toEqual({ holding: [], more: 0 })
  })
}

function stands(built: Built, refused: Refused, attempt: SandboxKind['attempt']): void {
  it('in the image’s own folder, wherever links and mounts lead', async () => {
    const { files } = await built({
      lines: [
        'RUN mkdir /mine && touch /mine/inside && ln -s /mine /link && ln -s ../../../../mine /up',
        ...['WORKDIR /link', 'RUN ls > /one', 'WORKDIR /up', 'RUN ls > /two'],
        ...['WORKDIR /m/link', 'RUN --mount=target=/m ls > /three'],
      ],
      files: { link: { link: '/mine' } },
    })
    for (const path of ['one', 'two', 'three']) expect(files[path]).toBe('f 644 0:0 inside\n')
  })

  it.each([['/proc/self/fd/3'], ['/proc/1/root'], ['/dev/fd/3']])('never in %s', async (path) => {
    const failed = await refused({ lines: ['RUN true', `WORKDIR ${path}`, 'RUN ls > /x'] })
    expect(failed.message).toContain('cannot be the folder of a RUN')
  })

  it.each(['/proc/1/root', '/proc/self/root', '/proc/1/cwd', ...DESCRIPTORS])(
    'never on the machine, by a link of a mount to %s',
    async (target) => {
      const { failed, files } = await attempt({
        // What the image has there must not make it look as if that was meant.
        lines: [
          ...[`COPY own ${target}/`, 'WORKDIR /m/link'],
          'RUN --mount=target=/m ls -d boot etc/os-release ../etc/os-release > /out; true',
        ],
        files: { own: '', link: { link: target } },
      })
      expect(failed?.message ?? files.out).toMatch(/cannot be the folder of a RUN|cannot chdir to|^f 644 0:0 $/)
    },
  )
}

function ends(built: Built, attempt: SandboxKind['attempt']): void {
  let count = 0
  let marker = ''
  const gone = () => expect.poll(() => processesWith(marker), { timeout: MINUTE_MS }).toEqual([])
  beforeEach(() => {
    marker = `31${process.pid}${count++}`
  })

  it('what a command left running', async () => {
    expect((await built({ lines: [`RUN sleep ${marker} & echo done`] })).said).toEqual(['done'])
    await gone()
  })

  it('a command that takes too long, with all that it started', async () => {
    const trial = { lines: [`RUN sleep ${marker} & sleep ${marker}`], runTimeoutMs: 1500 }
    const { failed, left } = await attempt(trial)
    expect(failed?.message).toContain('did not end within 1.5 s')
    expect(left).toEqual([])
    await gone()
  })

  it('a command whose build is cancelled, with all that it started', async () => {
    const trial = { lines: [`RUN sleep ${marker} & echo started; sleep ${marker}`], cancelAt: 'started' }
    expect(await attempt(trial)).toMatchObject({ canceled: true, said: ['started'], left: [] })
    await gone()
  })
}
