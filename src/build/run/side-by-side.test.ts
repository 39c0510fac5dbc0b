import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { aBusyboxBuild, failure, hasBusybox } from './testing.ts'

const able = hasBusybox && process.geteuid?.() === 0
/** Longer than any of these takes; what waits for the other in vain ends here. */
const options = { runtimes: [], runTimeoutMs: 60_000 }
const MEET = '--mount=type=cache,id=meet,target=/m'
const wait = (mine: string, other: string) =>
  `RUN ${MEET} touch /m/${mine}; while [ ! -e /m/${other} ]; do sleep 0.02; done; echo ${mine} > /${mine}`

describe.skipIf(!able)('stages (needs root and busybox)', () => {
  it('run side by side where none needs the other', async () => {
    await using build = await aBusyboxBuild(
      {
        Dockerfile: [
          ...['FROM busybox:1 AS a', wait('a', 'b')],
          ...['FROM busybox:1 AS b', wait('b', 'a')],
          ...['FROM scratch', 'COPY --from=a /a /', 'COPY --from=1 /b /'],
        ].join('\n'),
      },
      options,
    )
    expect((await build.image()).files).toEqual({ a: 'f 644 0:0 a\n', b: 'f 644 0:0 b\n' })
  })

  it('end with the first that fails, and its cause is told', async () => {
    await using build = await aBusyboxBuild(
      {
        Dockerfile: [
          ...['FROM busybox:1 AS slow', 'RUN sleep 1000'],
          ...['FROM busybox:1 AS wrong', 'RUN exit 3'],
          ...['FROM scratch', 'COPY --from=slow /a /', 'COPY --from=wrong /b /'],
        ].join('\n'),
      },
      { ...options, runTimeoutMs: 900_000 },
    )
    expect(await failure(build)).toMatchObject({
      code: 'BUILD_RUN_FAILED',
      message: expect.stringContaining('Dockerfile:4:1'),
      detail: { exitCode: 3 },
    })
  })

  it('that only a trigger of the base image names are built for it', async () => {
    await using build = await aBusyboxBuild(
      { Dockerfile: 'FROM busybox:1\nONBUILD COPY --from=deps /d /got\n' },
      options,
    )
    await build.run({ destination: { store: build.store, repository: 'trigger', tags: ['1'] } })
    await build.write({
      Dockerfile: ['FROM busybox:1 AS deps', 'RUN echo d > /d', 'FROM trigger:1', 'RUN cp /got /again'].join('\n'),
    })
    const { files } = await build.image()
    expect([files.got, files.again]).toEqual(['f 644 0:0 d\n', 'f 644 0:0 d\n'])
  })
})

describe.skipIf(!able)('a cache mount with from= (needs root and busybox)', () => {
  it('begins with a folder of a stage, is kept, and another content is another cache', async () => {
    const dockerfile = (seed: string) =>
      [
        ...[
          'FROM busybox:1 AS seed',
          `RUN mkdir -p /s/in && echo ${seed} > /s/in/f && chown 5:6 /s/in && chmod 700 /s/in`,
        ],
        ...['FROM busybox:1', 'ARG N'],
        `RUN --mount=type=cache,id=c,target=/c,from=seed,source=/s/in stat -c "%a %u:%g" /c > /said; cat /c/* >> /said; echo $N > /c/g$N`,
      ].join('\n')
    await using build = await aBusyboxBuild({ Dockerfile: dockerfile('one') }, options)
    const said = async (number: string) => (await build.image({ args: { N: number } })).files.said
    expect(await said('1')).toBe('f 644 0:0 700 5:6\none\n')
    expect(await said('2')).toBe('f 644 0:0 700 5:6\none\n1\n')
    await build.write({ Dockerfile: dockerfile('two') })
    expect(await said('3')).toBe('f 644 0:0 700 5:6\ntwo\n')
  })

  it.each([
    ['a folder that is not there', 'from=busybox:1,source=/nope', 'BUILD_COPY_SOURCE_MISSING'],
    ['a source of nothing', 'source=/x', 'DOCKERFILE_SYNTAX'],
  ])('refuses %s', async (_name, more, code) => {
    await using build = await aBusyboxBuild({
      Dockerfile: `FROM busybox:1\nRUN --mount=type=cache,target=/c,${more} true\n`,
    })
    expect(await failure(build)).toMatchObject({ code, detail: { line: 2 } })
  })
})

describe.skipIf(!able)('an ssh mount (needs root and busybox)', () => {
  const dockerfile = [
    'FROM busybox:1',
    'RUN --mount=type=ssh echo $SSH_AUTH_SOCK > /path; test -S $SSH_AUTH_SOCK || echo none >> /path',
    'RUN --mount=type=ssh,id=deploy,target=/a.sock,required test -S /a.sock && test $SSH_AUTH_SOCK = /a.sock',
  ].join('\n')

  it('shows the agent’s socket to the command, and nothing of it is in the layer', async () => {
    await using build = await aBusyboxBuild({ Dockerfile: dockerfile }, options)
    const socket = join(build.folder, 'agent')
    const agent = createServer()
    await new Promise<void>((resolve) => agent.listen(socket, resolve))
    try {
      const { files, layers } = await build.image({ ssh: { default: socket, deploy: socket } })
      expect(files.path).toBe('f 644 0:0 /run/buildkit/ssh_agent.0\n')
      expect(layers.slice(-1)).toEqual([['path']])
    } finally {
      agent.close()
    }
  })

  it('never shows another file of this machine', async () => {
    await using build = await aBusyboxBuild({ Dockerfile: dockerfile }, options)
    expect(await failure(build, { ssh: { default: '/etc/shadow', deploy: '/nowhere' } })).toMatchObject({
      code: 'SECRETS_MISSING',
      message: expect.stringContaining('the ssh agent default has no socket'),
      detail: { line: 2 },
    })
  })
})
