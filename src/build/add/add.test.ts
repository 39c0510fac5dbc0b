import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { gitSource } from '../../source/git-source.ts'
import type { Source } from '../../source/source.ts'
import { failure } from '../run/testing.ts'
import { aBuild, type TestBuild } from '../testing.ts'
import { UNPACK_LIMITS } from './decompress.ts'
import { type TestEntry, testTar } from './testing.ts'

const program = (name: string) => ['/usr/bin', '/bin'].some((folder) => existsSync(join(folder, name)))

const BASIC: readonly TestEntry[] = [
  { name: 'd/', type: '5', mode: 0o750, uid: 3, gid: 4 },
  { name: 'd/a', content: 'A', mode: 0o4755, uid: 1, gid: 2 },
  { name: 'd/l', type: '2', link: 'a' },
  { name: 'p/q/r', content: 'R' },
]
const UNPACKED = {
  x: 'd 755 0:0',
  'x/d': 'd 750 3:4',
  'x/d/a': 'f 4755 1:2 A',
  'x/d/l': 'l a',
  'x/p': 'd 755 0:0',
  'x/p/q': 'd 755 0:0',
  'x/p/q/r': 'f 644 0:0 R',
}

async function aBuildWith(dockerfile: string, files: Readonly<Record<string, Uint8Array>>, options = {}) {
  const build = await aBuild({ Dockerfile: `FROM scratch\n${dockerfile}\n` }, options)
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(build.root, name), bytes)
  return build
}

async function unpacked(entries: readonly TestEntry[], dockerfile = 'ADD a.tar /x') {
  await using build = await aBuildWith(dockerfile, { 'a.tar': testTar(entries) })
  return (await build.image()).files
}

describe('ADD of an archive', () => {
  it.each([
    ['none', (tar: Buffer) => tar],
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
    ...['bzip2', 'xz'].map((name) => [name, (tar: Buffer) => execFileSync(name, ['-c'], { input: tar })] as const),
  ] as const)('unpacks compression %s with owners and modes', async (name, pack) => {
    if ((name === 'xz' || name === 'bzip2') && !program(name)) return
    await using build = await aBuildWith('ADD a /x', { a: pack(testTar(BASIC)) })
    expect((await build.image()).files).toEqual(UNPACKED)
    // The second time from what is kept.
    expect((await build.image()).files).toEqual(UNPACKED)
  })

  it('has what GNU tar and pax write: long names, large ids, hard links', async () => {
    await using build = await aBuild({ Dockerfile: 'FROM scratch\nADD gnu.tar /g/\nADD pax.tar /p/\n' })
    const long = `${'n'.repeat(120)}/${'m'.repeat(150)}`
    const folder = join(build.folder, 'in')
    await mkdir(join(folder, 'n'.repeat(120)), { recursive: true })
    await writeFile(join(folder, long), 'L')
    await writeFile(join(folder, '나'), 'K')
    execFileSync('ln', [join(folder, '나'), join(folder, 'z')])
    for (const format of ['gnu', 'pax']) {
      const ids = ['--owner=3000000', '--group=3000001', '--mode=640', '--sort=name']
      execFileSync('tar', ['-C', folder, `--format=${format}`, ...ids, '-cf', join(build.root, `${format}.tar`), '.'])
    }
    const { files } = await build.image()
    for (const at of ['g', 'p']) {
      expect(files[`${at}/${long}`]).toBe('f 640 3000000:3000001 L')
      expect(files[`${at}/z`]).toMatch(/^f 640 3000000:3000001 K?$/)
      expect(files[`${at}/나`]).toMatch(/^f 640 3000000:3000001 K?$/)
    }
  })

  it.each<[string, string, readonly TestEntry[], Record<string, string>]>([
    [
      'gives all to --chown',
      'ADD --chown=7:8 a.tar /x',
      BASIC.slice(1, 2),
      { x: 'd 755 7:8', 'x/d': 'd 755 0:0', 'x/d/a': 'f 4755 7:8 A' },
    ],
    [
      'leaves modes alone by --chmod',
      'ADD --chmod=700 a.tar /x',
      BASIC.slice(1, 2),
      { x: 'd 755 0:0', 'x/d': 'd 755 0:0', 'x/d/a': 'f 4755 1:2 A' },
    ],
    [
      'lets later entries win',
      'ADD a.tar /',
      [
        { name: 'a', content: '1' },
        { name: 'b/c', content: '2' },
        { name: 'a', content: '3' },
        { name: 'b', content: '4' },
      ],
      { a: 'f 644 0:0 3', b: 'f 644 0:0 4' },
    ],
    [
      'puts a folder where a file was',
      'ADD a.tar /',
      [
        { name: 'e', content: '1' },
        { name: 'e/', type: '5', mode: 0o700 },
        { name: 'e/f', content: '2' },
      ],
      { e: 'd 700 0:0', 'e/f': 'f 644 0:0 2' },
    ],
    [
      'follows links inside the destination as its root',
      'ADD a.tar /x',
      [
        { name: 'real/', type: '5' },
        { name: 'ln', type: '2', link: '/real' },
        { name: 'ln/f', content: 'F' },
      ],
      { x: 'd 755 0:0', 'x/real': 'd 644 0:0', 'x/ln': 'l /real', 'x/real/f': 'f 644 0:0 F' },
    ],
    [
      'takes absolute names from the destination on, and . and .. away',
      'ADD a.tar /x',
      [
        { name: './', type: '5', uid: 9 },
        { name: '/abs', content: 'B' },
        { name: 'p/../q', content: 'Q' },
      ],
      { x: 'd 755 0:0', 'x/abs': 'f 644 0:0 B', 'x/q': 'f 644 0:0 Q' },
    ],
    [
      'writes one file under two names once',
      'ADD a.tar /',
      [
        { name: 'z', content: 'Z', mode: 0o640 },
        { name: 'b', type: '1', link: 'z', mode: 0o640 },
      ],
      { b: 'f 640 0:0 Z', z: 'f 640 0:0 ' },
    ],
    [
      'copies it by --unpack=false',
      'ADD --unpack=false a.tar /x/',
      [],
      { x: 'd 755 0:0', 'x/a.tar': `f 644 0:0 ${testTar([]).toString()}` },
    ],
    [
      'does not unpack one in a folder, or by COPY',
      'COPY a.tar /x/',
      [],
      { x: 'd 755 0:0', 'x/a.tar': `f 644 0:0 ${testTar([]).toString()}` },
    ],
  ])('%s', async (_name, dockerfile, entries, expected) => {
    expect(await unpacked(entries, dockerfile)).toEqual(expected)
  })

  it.each([
    ['text behind gzip', gzipSync('hello')],
    ['the begin of a zstd frame', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0])],
    ['blocks of zeros', Buffer.alloc(1024)],
    ['a zip', Buffer.from('PK\u0003\u0004and so on')],
  ])('copies what is none: %s', async (_name, bytes) => {
    await using build = await aBuildWith('ADD a /x/', { a: bytes })
    expect(Object.keys((await build.image()).files)).toEqual(['x', 'x/a'])
  })

  const file = { name: 'a', content: 'A' }
  it.each<[string, Uint8Array, string]>([
    ['A6: a path above', testTar([{ name: '../a', content: 'A' }]), 'leads out of its folder'],
    ['A6: a path that climbs', testTar([{ name: 'd/../../a', content: 'A' }]), 'leads out of its folder'],
    ['A6: a hard link above', testTar([{ name: 'a', type: '1', link: '../../etc/passwd' }]), 'leads out of its folder'],
    ['A6: a hard link to a file outside', testTar([{ name: 'a', type: '1', link: '/etc/passwd' }]), 'which is no file'],
    [
      'A6: a hard link through a link',
      testTar([
        { name: 'l', type: '2', link: '/' },
        { name: 'a', type: '1', link: 'l/etc/passwd' },
      ]),
      'which is no file',
    ],
    ['a name that deletes in a layer', testTar([{ name: 'd/.wh.x' }]), 'takes for a deletion'],
    ['a hard link to itself', testTar([file, { name: 'a', type: '1', link: 'a' }]), 'which is no file'],
    [
      'A6: a loop of links',
      testTar([
        { name: 'l', type: '2', link: 'l' },
        { name: 'l/a', content: 'A' },
      ]),
      'loop of links',
    ],
    ['a file as folder', testTar([file, { name: 'a/b', content: 'B' }]), 'is no folder'],
    ['A6: a device', testTar([{ name: 'null', type: '3' }]), 'has a device, null'],
    ['A6: a block device', testTar([{ name: 'sda', type: '4' }]), 'has a device, sda'],
    ['A6: a pipe', testTar([{ name: 'p', type: '6' }]), 'has a pipe, p'],
    ['a type that nobody knows', testTar([file, { name: 'x', type: 'Z' }]), 'an entry of the type "Z"'],
    ['a sparse file', testTar([file, { name: 'x', type: 'S' }]), 'sparse'],
    ['A7: deep folders', testTar([{ name: `${'d/'.repeat(300)}a`, content: 'A' }]), 'has a path of 301 folders'],
    [
      'A7: too many entries',
      testTar(Array.from({ length: 21 }, (_, at) => ({ name: `f${at}` }))),
      'more than 20 entries',
    ],
    ['A7: too many bytes', testTar([{ name: 'a', content: 'x'.repeat(70_000) }]), 'more than 65536 bytes'],
    [
      'A7: a ratio that nothing honest has',
      gzipSync(testTar([{ name: 'a', content: 'x'.repeat(60_000) }])),
      'times its',
    ],
    ['a cut archive', testTar([{ name: 'a', content: 'x'.repeat(900) }]).subarray(0, 1000), 'ends in the middle'],
    [
      'a cut gzip',
      gzipSync(testTar([{ name: 'a', content: createHash('sha512').update('1').digest('hex').repeat(40) }])).subarray(
        0,
        -20,
      ),
      'damaged',
    ],
    [
      'a wrong checksum of a later header',
      Buffer.concat([testTar([file]).subarray(0, 1024), Buffer.alloc(512, 7)]),
      'wrong checksum',
    ],
    [
      'something after one block of zeros',
      Buffer.concat([testTar([file]).subarray(0, 1536), Buffer.alloc(512, 7)]),
      'after its end',
    ],
    ['a name that is not UTF-8', testTar([file, { name: Buffer.from([0x62, 0xff]) }]), 'not UTF-8'],
    ['a size that is no number', testTar([file, { name: 'b', field: [124, 'zzzzzzzzzzz'] }]), 'no number'],
    [
      'a negative size',
      testTar([
        file,
        { name: 'b', field: [124, Buffer.from([0xff, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0])] },
      ]),
      'no number',
    ],
    [
      'a pax record that lies',
      testTar([file, { name: 'PaxHeader', type: 'x', content: '99 path=a\n' }]),
      'broken extended header',
    ],
    [
      'a pax header without end',
      testTar([file, { name: 'PaxHeader', type: 'x', field: [124, '77777777777'] }]),
      'extended header of',
    ],
  ])('refuses %s, and pushes nothing', async (_name, bytes, message) => {
    const unpackLimits = {
      ...UNPACK_LIMITS,
      mostEntries: 20,
      mostBytes: 65_536,
      ratioFromBytes: 20_000,
      mostRatio: 100,
    }
    await using build = await aBuildWith('ADD a.tar /x', { 'a.tar': bytes }, { unpackLimits })
    const { code, message: said, detail } = await failure(build)
    expect([code, said]).toEqual(['BUILD_SOURCE_INVALID', expect.stringContaining(message)])
    expect(said).toContain('Dockerfile:2:1: the archive a.tar ')
    expect(detail).toMatchObject({ file: 'Dockerfile', line: 2, column: 1 })
  })
})

describe('ADD of an address', () => {
  let server: Server
  let origin = ''
  const asked: string[] = []
  const answers: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {}
  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(`${request.url} ${request.headers['if-none-match'] ?? ''}`.trim())
      const answer = answers[new URL(request.url ?? '', 'http://x').pathname]
      if (answer === undefined) response.writeHead(404).end()
      else answer(request, response)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  const added = (dockerfile: string, options = {}) => aBuildWith(dockerfile.replaceAll('ORIGIN', origin), {}, options)
  const files = async (dockerfile: string) => {
    await using build = await added(dockerfile)
    return (await build.image()).files
  }
  const HELLO = `sha256:${createHash('sha256').update('hello').digest('hex')}`

  it('puts the file with mode 600 and the time that the server says', async () => {
    answers['/a%20b.txt'] = (_, response) => {
      response.writeHead(200, { 'last-modified': 'Tue, 14 Nov 2023 22:13:20 GMT' }).end('hello')
    }
    expect(await files('ADD ORIGIN/a%20b.txt?x=1 /d/')).toEqual({ d: 'd 755 0:0', 'd/a b.txt': 'f 600 0:0 hello' })
    expect(await files(`ADD --checksum=${HELLO} --chmod=644 --chown=5 ORIGIN/a%20b.txt /n`)).toEqual({
      n: 'f 644 5:5 hello',
    })
  })

  it('names it __unnamed__ where the address has no name', async () => {
    answers['/'] = (_, response) => response.end('root')
    expect(Object.keys(await files('ADD ORIGIN/ /d/'))).toEqual(['d', 'd/__unnamed__'])
  })

  it('unpacks with --unpack only', async () => {
    answers['/a.tgz'] = (_, response) => response.end(gzipSync(testTar(BASIC)))
    expect(await files('ADD --unpack ORIGIN/a.tgz /x')).toEqual(UNPACKED)
    expect(Object.keys(await files('ADD ORIGIN/a.tgz /x/'))).toEqual(['x', 'x/a.tgz'])
  })

  it('asks again whether it changed, and with a checksum not at all', async () => {
    let text = 'hello'
    answers['/changing'] = ({ headers }, response) => {
      const etag = `"${text}"`
      if (headers['if-none-match'] === etag) response.writeHead(304).end()
      else response.writeHead(200, { etag }).end(text)
    }
    await using build = await added('ADD ORIGIN/changing /x')
    const content = async () => (await build.image()).files.x
    expect([await content(), await content()]).toEqual(['f 600 0:0 hello', 'f 600 0:0 hello'])
    text = 'other'
    expect(await content()).toBe('f 600 0:0 other')
    expect(asked.filter((line) => line.startsWith('/changing'))).toEqual([
      '/changing',
      '/changing "hello"',
      '/changing "hello"',
    ])
    answers['/fixed'] = (_, response) => response.end('hello')
    await build.write({ Dockerfile: `FROM scratch\nADD --checksum=${HELLO} ${origin}/fixed /x\n` })
    await build.image()
    await build.image()
    expect(asked.filter((line) => line === '/fixed')).toHaveLength(1)
  })

  it('follows redirects', async () => {
    answers['/to'] = (_, response) => response.writeHead(302, { location: '/found' }).end()
    answers['/found'] = (_, response) => response.end('hello')
    expect(await files('ADD ORIGIN/to /x')).toEqual({ x: 'f 600 0:0 hello' })
  })

  it.each<[string, string, string, (request: IncomingMessage, response: ServerResponse) => void]>([
    ['an answer that is none', '/gone', 'answered 410', (_, response) => response.writeHead(410).end()],
    [
      'an endless chain',
      '/chain',
      'led on more than',
      (_, response) => response.writeHead(302, { location: '/chain' }).end(),
    ],
    [
      'A9: a way to the metadata address',
      '/meta',
      '169.254.169.254 is an address that a build may not ask',
      (_, response) => response.writeHead(302, { location: 'http://169.254.169.254/latest' }).end(),
    ],
    [
      'A9: the same in IPv6',
      '/meta6',
      'may not ask',
      (_, response) => response.writeHead(302, { location: 'http://[::ffff:a9fe:a9fe]/' }).end(),
    ],
    [
      'a way to another protocol',
      '/file',
      'which is not safe',
      (_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    ],
    ['A7: more bytes than allowed', '/large', 'more than 1000 bytes', (_, response) => response.end('x'.repeat(1001))],
    [
      'a length that lies',
      '/lies',
      'the connection failed',
      (_, response) => {
        response.writeHead(200, { 'content-length': 900 }).write('x')
        setImmediate(() => response.destroy())
      },
    ],
    [
      'a promised length beyond the limit',
      '/promise',
      'more than 1000 bytes',
      (_, response) => {
        response.writeHead(200, { 'content-length': 5000 }).flushHeaders()
      },
    ],
    ['silence', '/silent', 'was silent for 0.2 s', () => {}],
    [
      'a trickle',
      '/trickle',
      'took longer than 2 s',
      (_, response) => {
        response.writeHead(200)
        const timer = setInterval(() => response.write('x'), 50)
        response.on('close', () => clearInterval(timer))
      },
    ],
  ])('refuses %s', async (_name, path, message, answer) => {
    answers[path] = answer
    await using build = await added(`ADD ORIGIN${path} /x`, {
      downloadLimits: {
        mostBytes: 1000,
        // Short only where that is what is looked at: the machine may be busy.
        stallMs: path === '/silent' ? 200 : 60_000,
        wholeMs: path === '/trickle' ? 2000 : 60_000,
      },
    })
    const failed = await failure(build)
    expect([failed.code, failed.message]).toEqual(['BUILD_SOURCE_INVALID', expect.stringContaining(message)])
    expect(failed.detail).toMatchObject({ file: 'Dockerfile', line: 2, column: 1 })
  })

  it.each([
    [
      'another content than the checksum',
      `ADD --checksum=sha256:${'0'.repeat(64)} ORIGIN/found /x`,
      'DIGEST_MISMATCH',
      '--checksum says',
    ],
    ['a checksum that is none', 'ADD --checksum=md5:1 ORIGIN/found /x', 'DOCKERFILE_SYNTAX', 'is no digest'],
    ['A10: a login in the address', 'ADD http://u:canary@127.0.0.1:1/x /x', 'DOCKERFILE_SYNTAX', 'has a login in it'],
    ['A9: the metadata address', 'ADD http://169.254.169.254/latest /x', 'BUILD_SOURCE_INVALID', 'may not ask'],
    ['A9: another way to write it', 'ADD http://0xa9fea9fe/latest /x', 'BUILD_SOURCE_INVALID', 'may not ask'],
    ['nobody there', 'ADD http://127.0.0.1:1/x /x', 'BUILD_SOURCE_INVALID', 'ECONNREFUSED'],
  ])('refuses %s', async (_name, dockerfile, code, message) => {
    answers['/found'] = (_, response) => response.end('hello')
    await using build = await added(dockerfile)
    const failed = await failure(build)
    expect([failed.code, failed.message]).toEqual([code, expect.stringContaining(message)])
    expect(`${failed.message} ${failed.hint}`).not.toContain('canary')
  })
})

describe('ADD of a git reference', () => {
  const git = (folder: string, ...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', '-C', folder, ...args], {
      encoding: 'utf8',
    }).trim()

  /** The git program of this machine, with repositories of a host that is not there. */
  async function withRepository(build: TestBuild): Promise<{ source: Source; first: string; second: string }> {
    const repository = join(build.folder, 'repository')
    await mkdir(join(repository, 'sub'), { recursive: true })
    git(repository, 'init', '-q', '-b', 'main')
    await writeFile(join(repository, 'sub/f'), 'one')
    execFileSync('ln', ['-s', '/etc', join(repository, 'out')])
    git(repository, 'add', '.')
    git(repository, 'commit', '-qm', 'one')
    git(repository, 'tag', 'v1')
    await writeFile(join(repository, 'sub/f'), 'two')
    git(repository, 'commit', '-qam', 'two')
    const real = gitSource({ cacheFolder: join(build.folder, 'mirrors'), env: process.env })
    const source: Source = {
      resolve: (asked, signal) => real.resolve({ ...asked, url: repository }, signal),
      readFile: (...args) => real.readFile(...args),
      open: () => Promise.resolve(null),
      checkout: (...args) => real.checkout(...args),
    }
    return { source, first: git(repository, 'rev-parse', 'v1'), second: git(repository, 'rev-parse', 'main') }
  }

  it('takes a branch, a tag, a commit, a folder, each as it was', async () => {
    await using place = await aBuild({})
    const { source, first, second } = await withRepository(place)
    const url = 'https://git.test/r.git'
    const lines = [
      `ADD ${url} /head`,
      `ADD ${url}#v1 /tag/`,
      `ADD --checksum=${first} ${url}#v1:sub /sub`,
      `ADD ${url}?tag=v1&subdir=sub&commit=${first.slice(0, 12)} /query`,
      `ADD --chown=5 --exclude=out git@git.test:r.git#${second} /commit`,
    ]
    await using build = await aBuildWith(lines.join('\n'), {}, { source })
    expect((await build.image()).files).toEqual({
      ...{ head: 'd 755 0:0', 'head/out': 'l /etc', 'head/sub': 'd 755 0:0', 'head/sub/f': 'f 644 0:0 two' },
      ...{ tag: 'd 755 0:0', 'tag/out': 'l /etc', 'tag/sub': 'd 755 0:0', 'tag/sub/f': 'f 644 0:0 one' },
      ...{ sub: 'd 755 0:0', 'sub/f': 'f 644 0:0 one', query: 'd 755 0:0', 'query/f': 'f 644 0:0 one' },
      ...{ commit: 'd 755 5:5', 'commit/sub': 'd 755 5:5', 'commit/sub/f': 'f 644 5:5 two' },
    })
    expect(await readFile(join(build.root, 'Dockerfile'), 'utf8')).toContain(url)
  })

  it.each([
    ['another commit than the checksum', 'ADD --checksum=0000000 https://git.test/r.git#v1 /x', 'DIGEST_MISMATCH'],
    ['a revision that is not there', 'ADD https://git.test/r.git#nope /x', 'SOURCE_REF_NOT_FOUND'],
    ['A4: a folder behind a link out of the repository', 'ADD https://git.test/r.git#v1:out /x', 'BUILD_PATH_ESCAPES'],
    ['a folder that is not there', 'ADD https://git.test/r.git#v1:nope /x', 'BUILD_PATH_ESCAPES'],
    ['a folder above', 'ADD https://git.test/r.git#v1:../x /x', 'DOCKERFILE_SYNTAX'],
    ['a query that nobody knows', 'ADD https://git.test/r.git?nope=1 /x', 'DOCKERFILE_SYNTAX'],
    ['two revisions', 'ADD https://git.test/r.git?tag=v1#main /x', 'DOCKERFILE_SYNTAX'],
    ['COPY of one', 'COPY https://git.test/r.git /x', 'DOCKERFILE_SYNTAX'],
  ])('refuses %s with its place', async (_name, dockerfile, code) => {
    await using place = await aBuild({})
    const { source } = await withRepository(place)
    await using build = await aBuildWith(dockerfile, {}, { source })
    expect(await failure(build)).toMatchObject({ code, detail: { file: 'Dockerfile', line: 2, column: 1 } })
  })
})
