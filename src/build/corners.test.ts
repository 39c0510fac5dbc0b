// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of a Dockerfile
import { describe, expect, it } from 'vitest'
import type { Platform } from '../model/descriptor.ts'
import { parsePlatform } from './platform.ts'
import { aBuild, readImage } from './testing.ts'

const AMD: Platform = { os: 'linux', architecture: 'amd64' }
const S = 'FROM scratch'
const VOLUMES = { '/a': {}, '/b': {} }

/** What BuildKit 28.5 makes of words at the edge; `npm run differential corners` has these and more beside a real one. */
describe('BuildKit’s rules at the edge', () => {
  it.each<[readonly string[], object]>([
    [['EXPOSE 8080:80 127.0.0.1:81:82/udp [::1]:1:2'], { ExposedPorts: { '2/tcp': {}, '80/tcp': {}, '82/udp': {} } }],
    [['WORKDIR /w', 'WORKDIR $NONE', 'WORKDIR ""'], { WorkingDir: '/w' }],
    [['HEALTHCHECK --interval= --retries= CMD x'], { Healthcheck: { Test: ['CMD-SHELL', 'x'] } }],
    [['HEALTHCHECK --interval=5s NONE'], { Healthcheck: { Test: ['NONE'] } }],
    [['VOLUME ["/a", "/b"]'], { Volumes: VOLUMES }],
    [
      ['ONBUILD COPY <<EOF <<-TWO /x/', 'one', 'EOF', 'two', 'TWO', 'ONBUILD RUN <<EOF', 'a', 'EOF'],
      { OnBuild: ['COPY <<EOF <<-TWO /x/\none\nEOF\ntwo\nTWO', 'RUN <<EOF\na\nEOF'] },
    ],
  ])('%j gives %j', async (lines, expected) => {
    await using build = await aBuild({ Dockerfile: [S, ...lines, ''].join('\n') })
    await build.run()
    expect((await build.image()).config.config).toMatchObject(expected)
  })

  it.each([
    ['VOLUME []', 'VOLUME needs a path'],
    ['HEALTHCHECK CMD []', 'HEALTHCHECK CMD has no command'],
    ['EXPOSE :80:x', 'is no port'],
  ])('%s is refused', async (line, message) => {
    await using build = await aBuild({ Dockerfile: `${S}\n${line}\n` })
    await expect(build.run()).rejects.toMatchObject({
      code: 'DOCKERFILE_SYNTAX',
      message: expect.stringContaining(message),
    })
  })

  it('here-documents of a trigger are there in the stage upon it, variables replaced', async () => {
    const Dockerfile = `${S} AS one\nARG V=v\nONBUILD COPY <<EOF /x\none $V\nEOF\nFROM one\nCOPY <<EOF /y\ny\nEOF\n`
    await using build = await aBuild({ Dockerfile })
    await build.run()
    expect((await build.image()).files).toEqual({ x: 'f 644 0:0 one v\n', y: 'f 644 0:0 y\n' })
  })

  it('a flag of COPY whose value is empty is none, and --exclude has no variables', async () => {
    await using build = await aBuild({
      Dockerfile: `${S}\nCOPY --chmod= --from= --chown=$NONE a /a\nCOPY --chmod=$NONE a /b\nARG E=d\nCOPY --exclude=$E d /c\n`,
      a: 'A',
      'd/d/e': 'E',
    })
    await build.run()
    expect((await build.image()).files).toMatchObject({ a: 'f 644 0:0 A', b: 'f 644 0:0 A', 'c/d/e': 'f 644 0:0 E' })
  })

  it('scratch is of the platform that is built, whatever its --platform says', async () => {
    await using build = await aBuild({ Dockerfile: 'FROM --platform=linux/arm64 scratch\nCOPY Dockerfile /d\n' })
    await build.run({ platforms: [AMD] })
    expect((await readImage(build.store, 'shop', 'v1')).config).toMatchObject(AMD)
  })

  it('a --platform whose variable is empty is refused', async () => {
    await using build = await aBuild({ Dockerfile: 'FROM --platform=$NONE scratch\nCOPY Dockerfile /d\n' })
    await expect(build.run()).rejects.toMatchObject({ message: 'Dockerfile:1:1: --platform=$NONE is empty' })
  })

  it.each([
    ['linux/amd64', AMD],
    ['amd64', AMD],
    ['x86_64', AMD],
    ['linux/amd64/v1', AMD],
    ['linux/amd64/v3', { ...AMD, variant: 'v3' }],
    ['arm64', { os: 'linux', architecture: 'arm64' }],
    ['linux/arm/v7', { os: 'linux', architecture: 'arm', variant: 'v7' }],
    ['windows/amd64', { os: 'windows', architecture: 'amd64' }],
    ['nothing', null],
    ['', null],
    ['linux/', null],
  ])('the platform %j is %j', (text, expected) => {
    expect(parsePlatform(text)).toEqual(expected)
  })
})
