// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of a Dockerfile
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ContentStore } from '../registry/content-store.ts'
import { describe, expect, it } from 'vitest'
import { anImageOf, elsewhere, failing } from './base/testing-bases.ts'
import { namedImages } from '../registry/bases/named-images.ts'
import { aBuild, basesOf, finishedSteps, never, readImage, type TestFile } from './testing.ts'
import { dockerfileBuilder } from './dockerfile-builder.ts'

/** The same store with other answers to some calls. */
const storeWith = (store: ContentStore, answers: Partial<ContentStore>): ContentStore =>
  new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(name in answers ? answers : target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })

const lines = (...text: string[]) => text.join('\n')

async function built(
  dockerfile: string,
  files: Readonly<Record<string, TestFile>> = {},
  args: Record<string, string> = {},
) {
  await using build = await aBuild({ Dockerfile: dockerfile, ...files })
  return await build.image({ args })
}

async function refused(dockerfile: string, files: Readonly<Record<string, TestFile>> = {}) {
  await using build = await aBuild({ Dockerfile: dockerfile, ...files })
  const failed: unknown = await build.run().then(
    () => expect.unreachable('it was built'),
    (error: unknown) => error,
  )
  expect(await build.store.tags('shop', never)).toEqual([])
  expect(await readdir(join(build.cacheFolder, 'tmp')).catch(() => [])).toEqual([])
  return failed as { code: string; message: string; hint: string; detail: Record<string, unknown> }
}

describe('COPY', () => {
  const files = {
    'a.txt': 'A',
    'b.txt': 'B',
    'dir/c.txt': 'C',
    'dir/sub/d.sh': { run: 'D' },
    'dir/link': { link: 'c.txt' },
    abs: { link: '/dir' },
    out: { link: '/etc' },
  }
  it.each<[string, string, Record<string, string>]>([
    ['puts a file under the name of the destination', 'COPY a.txt /x', { x: 'f 644 0:0 A' }],
    ['puts a file into a destination with a slash', 'COPY a.txt /x/', { x: 'd 755 0:0', 'x/a.txt': 'f 644 0:0 A' }],
    [
      'puts a file into a folder that is there',
      'WORKDIR /x\nCOPY a.txt .',
      { x: 'd 755 0:0', 'x/a.txt': 'f 644 0:0 A' },
    ],
    [
      'takes a relative destination from WORKDIR on',
      'WORKDIR /x\nWORKDIR y\nCOPY a.txt z',
      { x: 'd 755 0:0', 'x/y': 'd 755 0:0', 'x/y/z': 'f 644 0:0 A' },
    ],
    [
      'copies what is in a folder, not the folder; links stay links',
      'COPY dir /x',
      {
        x: 'd 755 0:0',
        'x/c.txt': 'f 644 0:0 C',
        'x/link': 'l c.txt',
        'x/sub': 'd 755 0:0',
        'x/sub/d.sh': 'f 755 0:0 D',
      },
    ],
    [
      'copies several files into a folder',
      'COPY a.txt b.txt /x/',
      { x: 'd 755 0:0', 'x/a.txt': 'f 644 0:0 A', 'x/b.txt': 'f 644 0:0 B' },
    ],
    ['knows patterns', 'COPY ?.txt /', { 'a.txt': 'f 644 0:0 A', 'b.txt': 'f 644 0:0 B' }],
    ['knows patterns on the way and sets', 'COPY d*/[b-d].txt /', { 'c.txt': 'f 644 0:0 C' }],
    ['follows a link that is named itself', 'COPY dir/link /x', { x: 'f 644 0:0 C' }],
    ['goes on at the root of the context where a link points out of it', 'COPY abs/c.txt /x', { x: 'f 644 0:0 C' }],
    ['sets owner and mode', 'COPY --chown=7:8 --chmod=4750 a.txt /x/', { x: 'd 750 7:8', 'x/a.txt': 'f 4750 7:8 A' }],
    ['takes the number of the user for the group', 'COPY --chown=7 a.txt /', { 'a.txt': 'f 644 7:7 A' }],
    ['takes variables', 'ARG F=a.txt\nENV D=/x\nCOPY ${F} $D/${F%.txt}', { x: 'd 755 0:0', 'x/a': 'f 644 0:0 A' }],
    ['takes the list form', 'COPY ["a.txt", "/with blank"]', { 'with blank': 'f 644 0:0 A' }],
    ['writes here-documents', 'ARG V=1\nCOPY <<EOF /x\nv $V "q"\nEOF', { x: 'f 644 0:0 v 1 "q"\n' }],
    ['is done by ADD as well', 'ADD a.txt /x', { x: 'f 644 0:0 A' }],
    [
      'takes nothing for a pattern that matches nothing',
      'COPY a.txt *.nope /x/',
      { x: 'd 755 0:0', 'x/a.txt': 'f 644 0:0 A' },
    ],
    [
      'lets no pattern lead through a link out of the context',
      'COPY a.txt out/pass* /x/',
      { x: 'd 755 0:0', 'x/a.txt': 'f 644 0:0 A' },
    ],
    [
      'gives folders on the way a numeric mode',
      'COPY --chmod=700 a.txt /x/',
      { x: 'd 700 0:0', 'x/a.txt': 'f 700 0:0 A' },
    ],
    ['changes modes by symbols', 'COPY --chmod=u+x,go= a.txt /x/', { x: 'd 755 0:0', 'x/a.txt': 'f 700 0:0 A' }],
    [
      'gives folders that are there the mode and owner of the source’s, but not the destination itself',
      'COPY --chmod=700 dir /x\nCOPY --chown=5 dir /x',
      {
        x: 'd 700 0:0',
        'x/c.txt': 'f 644 5:5 C',
        'x/link': 'l c.txt',
        'x/sub': 'd 755 5:5',
        'x/sub/d.sh': 'f 755 5:5 D',
      },
    ],
    [
      'leaves out by --exclude what is inside a folder, and never what is named itself',
      'COPY --exclude=*.txt --exclude=sub/d.sh --exclude=/link a.txt dir /x/',
      { x: 'd 755 0:0', 'x/a.txt': 'f 644 0:0 A', 'x/link': 'l c.txt', 'x/sub': 'd 755 0:0' },
    ],
    [
      'brings exceptions of --exclude back',
      'COPY --exclude=* --exclude=!sub dir /x',
      { x: 'd 755 0:0', 'x/sub': 'd 755 0:0', 'x/sub/d.sh': 'f 755 0:0 D' },
    ],
    [
      'keeps folders by --parents',
      'COPY --parents dir/sub/d.sh *.txt /x/',
      {
        x: 'd 755 0:0',
        'x/a.txt': 'f 644 0:0 A',
        'x/b.txt': 'f 644 0:0 B',
        'x/dir': 'd 755 0:0',
        'x/dir/sub': 'd 755 0:0',
        'x/dir/sub/d.sh': 'f 755 0:0 D',
      },
    ],
    [
      'keeps folders behind the mark of --parents only',
      'COPY --parents ./dir/./sub/*.sh /x/',
      { x: 'd 755 0:0', 'x/sub': 'd 755 0:0', 'x/sub/d.sh': 'f 755 0:0 D' },
    ],
    [
      'knows ** in --parents, and --exclude with it',
      'COPY --parents --exclude=a.txt **/*.txt /x',
      { x: 'd 755 0:0', 'x/b.txt': 'f 644 0:0 B', 'x/dir': 'd 755 0:0', 'x/dir/c.txt': 'f 644 0:0 C' },
    ],
    ['lets a later file win', 'COPY a.txt /x\nCOPY b.txt /x', { x: 'f 644 0:0 B' }],
  ])('%s', async (_name, instructions, expected) => {
    const { files: found } = await built(`FROM scratch\n${instructions}\n`, files)
    expect(found).toEqual(expected)
  })

  it('looks names of --chown up in the image', async () => {
    const { files: found } = await built(
      lines(
        'FROM scratch',
        'COPY etc /etc',
        'COPY --chown=app a /1',
        'COPY --chown=app:web a /2',
        'COPY --chown=app:9 a /3',
      ),
      { a: 'A', 'etc/passwd': 'root:x:0:0::/:\napp:x:1000:1001::/:\n', 'etc/group': 'web:x:50:app\n' },
    )
    expect([found['1'], found['2'], found['3']]).toEqual(['f 644 1000:1001 A', 'f 644 1000:50 A', 'f 644 1000:9 A'])
  })

  it('leaves out what .dockerignore says, case matters, and lets exceptions come back', async () => {
    const { files: found } = await built('FROM scratch\nCOPY . /x/\n', {
      '.dockerignore': '# no\n*\n!keep\nkeep/*.log\n!keep/important.log\n',
      'keep/a': 'A',
      'keep/b.log': 'no',
      'keep/B.LOG': 'yes',
      'keep/important.log': 'yes',
      other: 'no',
    })
    expect(Object.keys(found)).toEqual(['x', 'x/keep', 'x/keep/B.LOG', 'x/keep/a', 'x/keep/important.log'])
  })

  it('prefers the ignore file that belongs to the Dockerfile', async () => {
    const { files: found } = await built('FROM scratch\nCOPY . /\n', {
      '.dockerignore': 'a',
      'Dockerfile.dockerignore': 'b\nDockerfile*\n.dockerignore',
      a: 'A',
      b: 'B',
    })
    expect(Object.keys(found)).toEqual(['a'])
  })

  it.each<[string, string, string, string, Record<string, TestFile>]>([
    [
      'a source that is not there',
      'COPY nope /x',
      'BUILD_COPY_SOURCE_MISSING',
      'Dockerfile:2:1: nope is not there',
      {},
    ],
    [
      'a source that .dockerignore leaves out',
      'COPY a /x',
      'BUILD_COPY_SOURCE_MISSING',
      'a is not there',
      { '.dockerignore': 'a' },
    ],
    [
      'a source of --parents that is not there',
      'COPY --parents a/b /x/',
      'BUILD_COPY_SOURCE_MISSING',
      'a/b is not there',
      {},
    ],
    ['a source of --parents above the context', 'COPY --parents ../a /x/', 'BUILD_PATH_ESCAPES', 'leads out', {}],
    [
      'a checksum of a file of the context',
      'ADD --checksum=sha256:1 a /x/',
      'DOCKERFILE_SYNTAX',
      '--checksum is for',
      {},
    ],
    ['a source above the context', 'COPY ../secret /x', 'BUILD_PATH_ESCAPES', '../secret leads out', {}],
    ['a source that goes up inside', 'COPY a/../../secret /x', 'BUILD_PATH_ESCAPES', 'leads out', {}],
    [
      'a link out of the context',
      'COPY out /x',
      'BUILD_PATH_ESCAPES',
      'out leads out',
      { out: { link: '../../etc/passwd' } },
    ],
    ['an absolute link to nothing', 'COPY out /x', 'BUILD_PATH_ESCAPES', 'leads out', { out: { link: '/etc/passwd' } }],
    [
      'a path through a link out of the context',
      'COPY out/passwd /x',
      'BUILD_PATH_ESCAPES',
      'leads out',
      { out: { link: '/etc' } },
    ],
    ['a name that deletes in a layer', 'COPY d /x', 'BUILD_SOURCE_INVALID', 'taken for a deletion', { 'd/.wh.y': '' }],
    ['a loop of links', 'COPY loop /x', 'BUILD_SOURCE_INVALID', 'loop', { loop: { link: 'loop' } }],
    ['a name with a NUL', 'COPY ["a\\u0000", "/x"]', 'BUILD_COPY_SOURCE_MISSING', 'is not there', {}],
    ['several files to one', 'COPY a b /x', 'BUILD_SOURCE_INVALID', 'several files', { b: 'B' }],
    [
      'a file over a folder',
      'COPY d/ /x/\nCOPY e /x/f',
      'BUILD_SOURCE_INVALID',
      '/x/f/g is a folder',
      { 'd/f/g/h': 'H', 'e/g': '' },
    ],
    ['a folder over a file', 'COPY a /x\nCOPY d /x', 'BUILD_SOURCE_INVALID', '/x is no folder', { 'd/e': 'E' }],
    ['a name that the image does not know', 'COPY --chown=app a /x', 'DOCKERFILE_SYNTAX', 'no user "app"', {}],
    ['a mode that is none', 'COPY --chmod=rwx a /x', 'DOCKERFILE_SYNTAX', '--chmod=rwx is no mode', {}],
    ['an address', 'COPY https://u:p@x.test/a /x', 'DOCKERFILE_SYNTAX', 'https://x.test/a', {}],
    ['a variable in --from', 'ARG A=b\nCOPY --from=$A a /x', 'DOCKERFILE_SYNTAX', 'may not have a variable', {}],
    ['a stage that is below', 'COPY --from=7 a /x', 'DOCKERFILE_SYNTAX', 'there is no stage 7', {}],
  ])('refuses %s and pushes nothing', async (_name, instruction, code, message, files) => {
    const failed = await refused(`FROM scratch\n${instruction}\n`, { a: 'A', ...files })
    expect(failed).toMatchObject({ name: 'DeployError', code })
    expect(failed.message).toContain(message)
    expect(failed.detail).toMatchObject({ file: 'Dockerfile' })
  })

  it('refuses a .dockerignore with a broken pattern', async () => {
    const failed = await refused('FROM scratch\nCOPY . /\n', { '.dockerignore': 'ok\n[a' })
    expect(failed).toMatchObject({ code: 'BUILD_SOURCE_INVALID', message: expect.stringContaining('.dockerignore') })
  })

  it('refuses pipes and sockets', async () => {
    await using build = await aBuild({ Dockerfile: 'FROM scratch\nCOPY . /\n' })
    execFileSync('mkfifo', [join(build.root, 'pipe')])
    await expect(build.run()).rejects.toMatchObject({ code: 'BUILD_SOURCE_INVALID' })
  })
})

describe('stages', () => {
  const dockerfile = lines(
    'ARG BASE=one',
    'FROM scratch AS one',
    'ENV A=1',
    'COPY a /a',
    'FROM scratch AS unused',
    'ADD --keep-git-dir https://example.com/x.git /x',
    'FROM $BASE AS two',
    'COPY --from=one /a /from-name',
    'COPY --from=0 --chown=5 a /from-number',
    'FROM two',
    'ENV B=${A}2',
  )

  it('stand on each other and copy from each other; unused ones are not built, whatever is in them', async () => {
    const { files, config, layers } = await built(dockerfile, { a: 'A' })
    expect(files).toEqual({ a: 'f 644 0:0 A', 'from-name': 'f 644 0:0 A', 'from-number': 'f 644 5:5 A' })
    expect(config.config?.Env).toContain('B=12')
    expect(layers).toHaveLength(3)
  })

  it('are built up to the target only', async () => {
    await using build = await aBuild({ Dockerfile: dockerfile, a: 'A' })
    expect((await build.image({ target: 'ONE' })).files).toEqual({ a: 'f 644 0:0 A' })
    await expect(build.run({ target: 'unused' })).rejects.toMatchObject({
      code: 'DOCKERFILE_NOT_SUPPORTED',
      message: expect.stringContaining('Dockerfile:6:1: ADD --keep-git-dir'),
      detail: { file: 'Dockerfile', line: 6, column: 1 },
    })
    await expect(build.run({ target: 'nope' })).rejects.toMatchObject({ code: 'BUILD_TARGET_NOT_FOUND' })
  })

  it('keep owner, mode and links of what is copied from them, and sets of files as they are', async () => {
    const { files } = await built(
      lines(
        'FROM scratch AS a',
        'COPY --chown=3:4 --chmod=640 f /d/f',
        'COPY l /d/l/',
        'FROM scratch',
        'COPY --from=a /d /e',
      ),
      {
        f: 'F',
        'l/k': { link: '/nowhere' },
      },
    )
    expect(files).toMatchObject({ 'e/f': 'f 640 3:4 F', 'e/l/k': 'l /nowhere' })
  })
})

describe('settings', () => {
  it('become the configuration of the image', async () => {
    const { config } = await built(
      lines(
        'FROM scratch',
        'ARG VERSION=1',
        'LABEL version=$VERSION note="a b"',
        'ENV A=1 B="x y" C=$A',
        'ENV A=2 D=$A', // one value of a variable for the whole instruction

        'WORKDIR /srv',
        'WORKDIR app',
        'EXPOSE 8080 53/udp 9000-9001',
        'USER app:web',
        'STOPSIGNAL SIGINT',
        'VOLUME ["/data"]',
        'HEALTHCHECK --interval=5s --timeout=500ms --retries=4 CMD wget -q localhost',
        'ENTRYPOINT ["/bin/app"]',
        'CMD serve $A',
        'ONBUILD COPY . /srv',
        'MAINTAINER kim',
      ),
      {},
      { VERSION: '7' },
    )
    expect(config).toMatchObject({ created: '2023-11-14T22:13:20Z', os: 'linux', author: 'kim' })
    expect(config.config).toEqual({
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'A=2', 'B=x y', 'C=', 'D=1'],
      Labels: { version: '7', note: 'a b' },
      WorkingDir: '/srv/app',
      ExposedPorts: { '53/udp': {}, '8080/tcp': {}, '9000/tcp': {}, '9001/tcp': {} },
      User: 'app:web',
      StopSignal: 'SIGINT',
      Volumes: { '/data': {} },
      Healthcheck: { Test: ['CMD-SHELL', 'wget -q localhost'], Interval: 5e9, Timeout: 5e8, Retries: 4 },
      Entrypoint: ['/bin/app'],
      Cmd: ['/bin/sh', '-c', 'serve $A'],
      OnBuild: ['COPY . /srv'],
    })
    expect(config.history?.filter((entry) => entry.empty_layer !== true)).toHaveLength(2)
  })

  it.each([
    ['a default', 'ARG A=d', 'd', {}],
    ['a given value', 'ARG A=d', 'g', { A: 'g' }],
    ['a global value where the stage asks for it', 'ARG G', 'global', {}],
    ['nothing of a global value that the stage does not ask for', '', '', {}],
    ['the platform', 'ARG TARGETOS', 'linux', {}],
    ['the later of ENV and ARG: an argument', 'ENV A=env\nARG A=arg', 'g', { A: 'g' }],
    ['the later of ENV and ARG: a variable', 'ARG A=arg\nENV A=env', 'env', { A: 'g' }],
    ['the value it had, when it is declared again without one', 'ARG A=d\nARG A', 'd', {}],
  ])('know %s of an ARG', async (_name, instructions, expected, args) => {
    const dockerfile = lines('ARG G=global', 'FROM scratch', instructions, 'LABEL got=$A$G$TARGETOS')
    const { config } = await built(dockerfile, {}, args)
    expect(config.config?.Labels?.got).toBe(expected)
  })

  it('reset CMD when ENTRYPOINT changes, unless this stage has set it', async () => {
    const base = lines('FROM scratch AS base', 'CMD ["old"]', 'FROM base')
    expect((await built(`${base}\nENTRYPOINT ["e"]`)).config.config?.Cmd).toBeUndefined()
    expect((await built(`${base}\nCMD ["new"]\nENTRYPOINT ["e"]`)).config.config?.Cmd).toEqual(['new'])
  })

  it('tell which build arguments nothing takes', async () => {
    await using build = await aBuild({ Dockerfile: 'FROM scratch\nARG A\nLABEL a=$A' })
    const { happenings } = await build.run({ args: { A: '1', B: '2', HTTP_PROXY: 'x' } })
    expect(happenings).toContainEqual({ kind: 'note', message: 'no ARG takes the build arguments B' })
  })
})

describe('split: java', () => {
  const files = {
    Dockerfile: 'FROM scratch\nWORKDIR /app\nCOPY war .\nCMD ["run"]\n',
    'war/WEB-INF/lib/spring.jar': 'S'.repeat(5000),
    'war/WEB-INF/classes/A.class': 'one',
    'war/index.jsp': 'hello',
  }

  it('has the same files in layers by how often they change; a change of code sends only code', async () => {
    await using build = await aBuild(files)
    const whole = await build.image({ destination: { store: build.store, repository: 'whole', tags: [] } })
    const { files: split, layers, config } = await build.image({ split: 'java' })
    expect(split).toEqual(whole.files)
    expect(layers.slice(1)).toEqual([
      ['app/WEB-INF', 'app/WEB-INF/lib', 'app/WEB-INF/lib/spring.jar'],
      ['app/index.jsp'],
      ['app/WEB-INF/classes', 'app/WEB-INF/classes/A.class'],
    ])
    expect(config.history?.filter(({ empty_layer }) => empty_layer !== true)).toHaveLength(layers.length)
    expect(config.history?.map(({ comment }) => comment)).toEqual([
      'naru',
      ...['dependencies', 'resources', 'classes'].map((part) => `naru: ${part}`),
      'naru',
    ])
    await build.write({ 'war/WEB-INF/classes/A.class': 'two' })
    const { layers: again, happenings } = await build.run({ split: 'java' })
    expect(again.map(({ cached }) => cached)).toEqual([true, true, true, false])
    const told = finishedSteps(happenings).filter(({ instruction }) => instruction === 'COPY war .')
    expect(told).toMatchObject([{ cached: false }])
  })
})

describe('base images', () => {
  it('are read from the store: files, links in paths, settings, triggers', async () => {
    await using build = await aBuild({
      Dockerfile: lines('FROM scratch', 'COPY . /', 'ENV A=1', 'ONBUILD COPY trigger /trigger'),
      '.dockerignore': 'Dockerfile\n.dockerignore\ntrigger',
      'usr/lib/x': 'X',
      lib: { link: 'usr/lib' },
      trigger: 'T',
    })
    const base = { store: build.store, repository: 'team/base', tags: ['1'] }
    await build.run({ destination: base })
    await build.write({
      'App.Dockerfile.dockerignore': '',
      'App.Dockerfile': 'FROM team/base:1\nCOPY trigger /lib/y\nCOPY --from=team/base:1 /lib/x /x\nLABEL a=$A\n',
    })
    const { files, config } = await build.image({ dockerfile: 'App.Dockerfile' })
    expect(files).toEqual({
      lib: 'l usr/lib',
      usr: 'd 755 0:0',
      'usr/lib': 'd 755 0:0',
      'usr/lib/x': 'f 644 0:0 X',
      'usr/lib/y': 'f 644 0:0 T',
      x: 'f 644 0:0 X',
      trigger: 'f 644 0:0 T',
    })
    expect(config.config).toMatchObject({ Labels: { a: '1' } })
    expect(config.config?.OnBuild).toBeUndefined()
  })

  it('say what they stand on, and where the image is from another registry', async () => {
    await using other = await elsewhere()
    const { digest } = await anImageOf(other.store, 'library/node', [{ 'bin/node': 'node' }], { tags: ['24'] })
    const tools = await anImageOf(other.store, 'x/tools', [{ tool: 'T' }], { tags: ['1'] })
    const dockerfile = lines(
      'FROM node:24',
      'COPY --from=ghcr.io/x/tools:1 /tool /t',
      `COPY --from=docker.io/library/node@${digest} /bin/node /n`,
    )
    await using build = await aBuild({ Dockerfile: dockerfile })
    const bases = namedImages({ images: build.store, open: other.open, report: () => {} })
    const { artifact, images } = await build.run({ bases })
    const { files } = await readImage(build.store, 'shop', artifact.digest)
    expect(files).toMatchObject({ t: 'f 644 0:0 T', n: 'f 644 0:0 node' })
    expect(images).toEqual({
      'docker.io/library/node': digest,
      'docker.io/library/node:24': digest,
      'ghcr.io/x/tools:1': tools.digest,
    })
    const found = await build.store.readManifest('shop', artifact.digest, never)
    expect(JSON.parse(Buffer.from(found?.bytes ?? []).toString())).toMatchObject({
      annotations: {
        'org.opencontainers.image.base.digest': digest,
        'org.opencontainers.image.base.name': 'docker.io/library/node:24',
      },
    })
  })

  it('that fail are told with their place, and nothing goes on behind the build', async () => {
    await using other = await elsewhere()
    other.failure = failing('REGISTRY_AUTH_FAILED')
    await using build = await aBuild({ Dockerfile: 'FROM scratch AS a\nFROM ghcr.io/x/y:1\nCOPY --from=a / /\n' })
    const bases = namedImages({ images: build.store, open: other.open, report: () => {} })
    await expect(build.run({ bases })).rejects.toMatchObject({
      code: 'REGISTRY_AUTH_FAILED',
      message: 'Dockerfile:2:1: REGISTRY_AUTH_FAILED of the registry',
      detail: { file: 'Dockerfile', line: 2 },
    })
  })

  it.each([
    ['team/none', 'REGISTRY_UNREACHABLE'],
    ['docker.io/library/node:24', 'REGISTRY_UNREACHABLE'],
    ['Not A Name', 'DOCKERFILE_SYNTAX'],
    ['UPPER', 'REFERENCE_INVALID'],
    ['${NOTHING}', 'DOCKERFILE_SYNTAX'],
  ])('that are not there are refused: %s', async (name, code) => {
    const failed = await refused(`FROM ${name}\nCOPY Dockerfile /x`)
    expect(failed).toMatchObject({ code })
    expect(failed.message).toContain('Dockerfile:1:1: ')
  })
})

describe('what is not carried out yet is refused before anything is built', () => {
  it.each([
    ['RUN --device=x true', 'RUN --device'],
    ['ADD --keep-git-dir git@example.com:a.git /x', 'ADD --keep-git-dir'],
  ])('%s', async (instruction, message) => {
    await using build = await aBuild({ Dockerfile: `FROM scratch\nCOPY a /a\n${instruction}\n`, a: 'A' })
    await expect(build.run()).rejects.toMatchObject({
      code: 'DOCKERFILE_NOT_SUPPORTED',
      message: expect.stringContaining(`Dockerfile:3:1: ${message}`),
    })
    expect(await build.store.tags('shop', never)).toEqual([])
  })
})

describe('the same input', () => {
  const files = {
    Dockerfile: 'FROM scratch\nCOPY deps /deps\nCOPY src /src\n',
    'deps/a': 'A'.repeat(9000),
    'src/b': { run: 'B' },
  }

  it('has the same digest in another folder, at another time, under another umask, with another cache', async () => {
    await using one = await aBuild(files)
    await using other = await aBuild({
      'src/b': files['src/b'],
      'deps/a': files['deps/a'],
      Dockerfile: files.Dockerfile,
    })
    await chmod(join(other.root, 'deps/a'), 0o600)
    await chmod(join(other.root, 'deps'), 0o700)
    await chmod(join(other.root, 'src/b'), 0o700)
    await utimes(join(other.root, 'deps/a'), 1, 1)
    expect((await other.run()).artifact).toEqual((await one.run()).artifact)
  })

  it('sends nothing the second time', async () => {
    await using build = await aBuild(files)
    const first = await build.run()
    const second = await build.run()
    expect(first.sentBytes).toBeGreaterThan(0)
    expect(second).toMatchObject({ artifact: first.artifact, sentBytes: 0 })
    expect(second.layers.every(({ cached }) => cached)).toBe(true)
  })

  it('keeps the layers that did not change in the next commit', async () => {
    await using build = await aBuild(files)
    const first = await build.run()
    await build.write({ 'src/b': 'changed' })
    const second = await build.run({ epochSeconds: 1_700_009_999 })
    expect(second.layers[0]).toEqual({ ...first.layers[0], cached: true })
    expect(second.layers[1]?.cached).toBe(false)
    expect(second.artifact.digest).not.toBe(first.artifact.digest)
  })

  it('gives a changed file of the same size another time, so that web servers see the change', async () => {
    await using build = await aBuild({ Dockerfile: 'FROM scratch\nCOPY a /\n', a: 'one' })
    const first = await build.run()
    await writeFile(join(build.root, 'a'), 'two')
    expect((await build.run()).layers[0]?.digest).not.toBe(first.layers[0]?.digest)
  })

  it('has the time that SOURCE_DATE_EPOCH says, else the commit’s, and an ARG takes it', async () => {
    await using build = await aBuild({
      Dockerfile: 'FROM scratch\nARG SOURCE_DATE_EPOCH\nLABEL at=$SOURCE_DATE_EPOCH\n',
    })
    const { config } = await build.image({ args: { SOURCE_DATE_EPOCH: '86400' } })
    expect(config).toMatchObject({ created: '1970-01-02T00:00:00Z', config: { Labels: { at: '86400' } } })
    expect((await build.image()).config.config?.Labels).toEqual({ at: '1700000000' })
    await expect(build.run({ args: { SOURCE_DATE_EPOCH: 'now' } })).rejects.toMatchObject({ code: 'USAGE_INVALID' })
  })

  it('is mounted from another repository', async () => {
    await using build = await aBuild(files)
    await build.run()
    const moved = await build.run({ destination: { store: build.store, repository: 'other', tags: ['v1'] } })
    expect(moved.layers.every(({ cached }) => cached)).toBe(true)
    expect((await readImage(build.store, 'other', 'v1')).files).toMatchObject({ 'src/b': 'f 755 0:0 B' })
  })

  it('is made anew where the store has lost it, or the cache is damaged', async () => {
    await using build = await aBuild(files)
    const first = await build.run()
    await using empty = await aBuild({})
    const elsewhere = await build.run({ destination: { store: empty.store, repository: 'shop', tags: ['v1'] } })
    expect(elsewhere.artifact).toEqual(first.artifact)
    const folder = join(build.cacheFolder, 'layers')
    for (const name of await readdir(folder)) await writeFile(join(folder, name), '{"dig')
    expect((await build.run()).artifact).toEqual(first.artifact)
  })
})

describe('a build', () => {
  it('tells each step that makes files when it begins and when it ended, and what was sent', async () => {
    await using build = await aBuild({
      Dockerfile: 'FROM scratch AS x\nCOPY a /a\nFROM x\nCOPY a /b\nENV A=1\n',
      a: 'A',
    })
    const { happenings, sentBytes } = await build.run()
    const steps = happenings.flatMap((one) =>
      one.kind === 'build'
        ? [`${one.state} #${one.number} ${one.stage} ${one.step}/${one.steps} ${one.instruction}`]
        : [],
    )
    expect(steps.sort()).toEqual([
      'finished #1 x 1/1 COPY a /a',
      'finished #2 stage-1 1/1 COPY a /b',
      'started #1 x 1/1 COPY a /a',
      'started #2 stage-1 1/1 COPY a /b',
    ])
    const pushed = happenings.flatMap((one) => (one.kind === 'push' ? [one.sentBytes] : []))
    expect(pushed).toHaveLength(3)
    expect(pushed.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(sentBytes)
  })

  it('does not find what was not committed: Dockerfile, context', async () => {
    await using build = await aBuild({ 'a/b': 'B' })
    await expect(build.run()).rejects.toMatchObject({
      code: 'DOCKERFILE_NOT_FOUND',
      hint: expect.stringContaining('naru init'),
    })
    await expect(build.run({ context: 'none' })).rejects.toMatchObject({ code: 'BUILD_COPY_SOURCE_MISSING' })
  })

  it.each([
    ['context', { context: '..' }],
    ['context through a link', { context: 'out' }],
    ['Dockerfile', { dockerfile: '../Dockerfile' }],
    ['absolute Dockerfile', { dockerfile: '/etc/passwd' }],
    ['Dockerfile through a link', { dockerfile: 'out/Dockerfile' }],
  ])('never leaves its tree: %s', async (_name, request) => {
    await using build = await aBuild({ Dockerfile: 'FROM scratch', out: { link: '..' } })
    await writeFile(join(build.folder, 'Dockerfile'), 'FROM scratch\nLABEL a=b\n')
    await expect(build.run(request)).rejects.toMatchObject({ code: 'BUILD_PATH_ESCAPES' })
  })

  it('follows links inside the tree', async () => {
    await using build = await aBuild({
      'app/Dockerfile': 'FROM scratch\nCOPY a /\n',
      'app/a': 'A',
      current: { link: 'app' },
    })
    const { files } = await build.image({ context: 'current', dockerfile: 'current/Dockerfile' })
    expect(files).toEqual({ a: 'f 644 0:0 A' })
  })

  it('stops when it is aborted, and leaves nothing behind', async () => {
    await using build = await aBuild({ Dockerfile: 'FROM scratch\nCOPY a /\n', a: 'A' })
    const abort = new AbortController()
    const store = storeWith(build.store, {
      readManifest: () => {
        abort.abort(new Error('enough'))
        return Promise.resolve(null)
      },
    })
    const request = {
      root: build.root,
      context: '.',
      dockerfile: 'Dockerfile',
      target: null,
      args: {},
      epochSeconds: 0,
      bases: basesOf(build.store),
    }
    const building = dockerfileBuilder({ cacheFolder: build.cacheFolder }).build(
      { ...request, destination: { store, repository: 'shop', tags: ['v1'] } },
      () => {},
      abort.signal,
    )
    await expect(building).rejects.toThrow('enough')
    expect(await readdir(join(build.cacheFolder, 'tmp')).catch(() => [])).toEqual([])
  })

  it('says what changed while it was read', async () => {
    await using build = await aBuild({ Dockerfile: 'FROM scratch\nCOPY a /\n', a: 'A' })
    const store = storeWith(build.store, {
      statBlob: async () => {
        await writeFile(join(build.root, 'a'), 'B')
        return null
      },
      mountBlob: () => Promise.resolve(false),
    })
    await build.run()
    await writeFile(join(build.root, 'a'), 'A')
    await expect(build.run({ destination: { store, repository: 'other', tags: [] } })).rejects.toMatchObject({
      code: 'BUILD_SOURCE_INVALID',
    })
  })

  const root = process.getuid?.() === 0
  it.skipIf(!root)(
    'fails with DISK_FULL on a full disk and leaves nothing there (left out unless root: needs a tmpfs)',
    async () => {
      await using build = await aBuild({ Dockerfile: 'FROM scratch\nCOPY big /\n' })
      await writeFile(join(build.root, 'big'), randomBytes(16 * 2 ** 20))
      const small = await mkdtemp(join(tmpdir(), 'naru-small-'))
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', small])
      try {
        const builder = dockerfileBuilder({ cacheFolder: small })
        const request = {
          root: build.root,
          context: '.',
          dockerfile: 'Dockerfile',
          target: null,
          args: {},
          epochSeconds: 0,
        }
        const destination = { store: build.store, repository: 'shop', tags: ['v1'] }
        await expect(
          builder.build({ ...request, bases: basesOf(build.store), destination }, () => {}, never),
        ).rejects.toMatchObject({ code: 'DISK_FULL' })
        expect(await readdir(join(small, 'tmp'))).toEqual([])
        expect(await build.store.tags('shop', never)).toEqual([])
      } finally {
        execFileSync('umount', [small])
        await rm(small, { recursive: true, force: true })
      }
    },
  )
})

describe('a frontend', () => {
  it.each([
    '# syntax=docker/dockerfile:1',
    '#syntax = docker/dockerfile:1.7-labs',
    '# syntax=docker.io/docker/dockerfile-upstream:master',
    `# syntax=docker/dockerfile:1@sha256:${'a'.repeat(64)}`,
  ])('of Dockerfiles is this builder: %s', async (line) => {
    expect(Object.keys((await built(`${line}\nFROM scratch\nCOPY a /\n`, { a: 'A' })).files)).toEqual(['a'])
  })

  it('of its own is refused, whether the file or the caller asks for it', async () => {
    const failed = await refused('# escape=\\\n# syntax=docker.io/team/frontend:1\nFROM scratch\n')
    expect(failed).toMatchObject({ code: 'DOCKERFILE_NOT_SUPPORTED', detail: { line: 2, column: 1 } })
    await using build = await aBuild({ Dockerfile: 'FROM scratch\nENV A=1\n' })
    await expect(build.run({ args: { BUILDKIT_SYNTAX: 'team/frontend' } })).rejects.toMatchObject({
      code: 'DOCKERFILE_NOT_SUPPORTED',
      message: expect.stringContaining('team/frontend is not run here'),
    })
  })
})

describe('what a stage hands on', () => {
  it('to a stage upon it: variables, arguments and triggers, which end there', async () => {
    const { config, files } = await built(
      lines(
        ...['FROM scratch AS one', 'ARG A=from-one', 'ENV E=env', 'ONBUILD COPY a /triggered'],
        ...['FROM one', 'COPY a /$A-$E'],
      ),
      { a: 'A' },
    )
    expect(Object.keys(files)).toEqual(['triggered', 'from-one-env'])
    expect(config.config?.OnBuild).toBeUndefined()
  })

  it.each(['SIGTERM', 'int', '9', 'RTMIN+3', 'SIGRTMAX-1'])('STOPSIGNAL takes %s', async (signal) => {
    expect((await built(`FROM scratch\nSTOPSIGNAL ${signal}\n`)).config.config?.StopSignal).toBe(signal)
  })

  it.each(['SIGNOPE', '0', 'RTMIN+16', '-1'])('STOPSIGNAL refuses %s', async (signal) => {
    expect(await refused(`FROM scratch\nSTOPSIGNAL ${signal}\n`)).toMatchObject({ code: 'DOCKERFILE_SYNTAX' })
  })
})
