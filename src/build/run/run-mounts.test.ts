import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { finishedSteps } from '../testing.ts'
import { aBusyboxBuild, failure, hasBusybox } from './testing.ts'

const able = hasBusybox && process.geteuid?.() === 0
const lines = (...all: readonly string[]) => `${all.join('\n')}\n`
const told = ({ happenings }: { happenings: readonly { kind: string }[] }) =>
  happenings.flatMap((one) => (one.kind === 'log' ? (one as unknown as { line: string }).line : []))

describe.skipIf(!able)('the mounts of a RUN (need root and busybox)', () => {
  it('show the context, a stage or one file, and take nothing of them into the layer', async () => {
    await using build = await aBusyboxBuild({
      Dockerfile: lines(
        'FROM busybox:1 AS made',
        'RUN mkdir /out && echo made > /out/f',
        'FROM busybox:1',
        'WORKDIR /work',
        'RUN --mount=type=bind,target=/ctx --mount=from=made,source=/out,target=made cat /ctx/a/b made/f',
        'RUN --mount=type=bind,source=a/b,target=/one/file cat /one/file; echo x > /one/file || echo kept; ls /one',
        'RUN --mount=type=bind,target=/ctx,rw echo more > /ctx/new && cat /ctx/new /ctx/a/b',
        'RUN --mount=type=tmpfs,target=/t,size=1m dd if=/dev/zero of=/t/x bs=1024 count=2048 || echo full',
      ),
      'a/b': 'AB\n',
      '.dockerignore': 'ignored',
      ignored: 'x',
    })
    const done = await build.run()
    expect(told(done)).toEqual(expect.arrayContaining(['AB', 'made', 'kept', 'file', 'more', 'full']))
    expect(existsSync(`${build.root}/new`)).toBe(false)
    const { layers } = await build.image()
    expect(layers.flat().filter((path) => /ctx|one|^t($|\/)|made/.test(path))).toEqual([])
    expect(done.layers.length).toBe(layers.length)
  })

  it('notice another context, and nothing that they do not show', async () => {
    await using build = await aBusyboxBuild({
      Dockerfile: lines('FROM busybox:1', 'RUN --mount=source=a,target=/a cp -r /a/. /copied || cp /a /copied'),
      a: '1',
      other: '1',
    })
    const ran = async () => {
      const { happenings } = await build.run()
      return finishedSteps(happenings).map(({ cached }) => cached)
    }
    expect(await ran()).toEqual([false])
    await build.write({ other: '2' })
    expect(await ran()).toEqual([true])
    await build.write({ a: '2' })
    expect(await ran()).toEqual([false])
    expect((await build.image()).files.copied).toBe('f 644 0:0 2')
  })

  it('keep a cache between builds, under its id, with its owner', async () => {
    const count = 'echo x >> /c/n; wc -l < /c/n; stat -c %u:%a /c'
    const mount = '--mount=type=cache,id=n,target=/c,uid=1000,mode=0711'
    await using build = await aBusyboxBuild({
      Dockerfile: lines(
        'FROM busybox:1',
        'ARG V',
        `RUN ${mount} ${count}`,
        `RUN ${mount.replace('id=n', 'id=other')} ls /c`,
      ),
    })
    expect(told(await build.run({ args: { V: '1' } }))).toEqual(['1', '1000:711'])
    expect(told(await build.run({ args: { V: '2' } }))).toEqual(['2', '1000:711'])
    expect(told(await build.run({ args: { V: '2' } }))).toEqual([])
    const together = await Promise.all(
      ['3', '4'].map((V) =>
        build.run({ args: { V }, destination: { store: build.store, repository: `r${V}`, tags: [] } }),
      ),
    )
    expect(
      together
        .flatMap(told)
        .filter((line) => /^\d$/.test(line))
        .sort(),
    ).toContain('4')
    expect((await build.image()).layers.flat().filter((path) => path.startsWith('c'))).toEqual([])
  })

  it('lock a cache for one command at a time, and let go of it when that one fails', async () => {
    const mount = '--mount=type=cache,id=l,target=/c,sharing=locked'
    const alone = 'test ! -e /c/held && touch /c/held && sleep 0.3 && rm /c/held'
    await using build = await aBusyboxBuild({ Dockerfile: lines('FROM busybox:1', 'ARG V', `RUN ${mount} ${alone}`) })
    const runs = ['1', '2', '3'].map((V) =>
      build.run({ args: { V }, destination: { store: build.store, repository: `r${V}`, tags: [] } }),
    )
    expect(await Promise.all(runs)).toHaveLength(3)
    const passing = await readFile(join(build.root, 'Dockerfile'), 'utf8')
    await build.write({
      Dockerfile: lines('FROM busybox:1', `RUN ${mount} false`, `RUN ${mount.replace('/c', '/')} true`),
    })
    await failure(build)
    await build.write({ Dockerfile: `${passing}RUN ${mount} true\n` })
    expect((await build.run()).layers.length).toBeGreaterThan(0)
  })

  it.each([
    ['--mount=type=nothing,target=/x', 'has type=nothing'],
    ['--mount=type=cache', 'has no target'],
    ['--mount=type=secret', 'a secret needs an id'],
    ['--mount=type=bind,target=/x,what=1', 'has no key what'],
    ['--mount=type=tmpfs,target=/x,size=many', 'has size=many'],
    ['--mount=type=cache,target=/x,mode=9', 'has mode=9'],
    ['--network=bridge', '--network=bridge is not known'],
    ['--security=insecure', '--security=insecure is never given'],
    ['--what=1', 'RUN has no flag --what'],
  ])('are refused before anything runs: %s', async (flag, message) => {
    await using build = await aBusyboxBuild({
      Dockerfile: lines('FROM busybox:1', 'RUN echo started', `RUN ${flag} true`),
    })
    const failed = await failure(build)
    expect(failed.message).toContain('Dockerfile:3:1: ')
    expect(failed.message).toContain(message)
  })

  it.each([
    ['--mount=type=secret,id=t,required', 'SECRETS_MISSING', 'the secret t was not given'],
    ['--mount=type=ssh,required', 'SECRETS_MISSING', 'no ssh agent default was given'],
    ['--mount=source=missing,target=/x', 'BUILD_COPY_SOURCE_MISSING', 'the build context has no missing'],
    ['--mount=type=tmpfs,target=/', 'DOCKERFILE_SYNTAX', 'nothing can be mounted at /'],
  ])('say what is missing: %s', async (flag, code, message) => {
    await using build = await aBusyboxBuild({ Dockerfile: lines('FROM busybox:1', `RUN ${flag} true`) })
    const failed = await failure(build)
    expect(failed).toMatchObject({ code, detail: { line: 2 } })
    expect(failed.message).toContain(message)
  })
})
