import { describe, expect, it } from 'vitest'
import { aBusyboxBuild, failure, hasBusybox } from './testing.ts'

const able = hasBusybox && process.geteuid?.() === 0

const lines = (...all: readonly string[]) => `${all.join('\n')}\n`

describe.skipIf(!able)('RUN (needs root and busybox)', () => {
  it('runs a command in the file system of its stage, and what it did becomes a layer', async () => {
    await using build = await aBusyboxBuild({
      Dockerfile: lines(
        'FROM busybox:1',
        'COPY f /data/f',
        'RUN cat /data/f > /data/g && rm /data/f',
        'RUN ["sh", "-c", "echo $PATH > /path"]',
      ),
      f: 'hello',
    })
    const { files, layers } = await build.image()
    expect(files['data/g']).toBe('f 644 0:0 hello')
    expect(files.path).toContain('/usr/local/sbin')
    expect(layers.at(-2)).toEqual(['data/', 'data/.wh.f', 'data/g'].map((name) => name.replace(/\/$/, '')))
    expect(layers.at(-1)).toEqual(['path'])
  })

  it('tells the place, the exit code and the last lines of a command that fails', async () => {
    await using build = await aBusyboxBuild({
      Dockerfile: lines('FROM busybox:1', '', 'RUN echo going; echo wrong >&2; exit 3'),
    })
    const failed = await failure(build)
    expect(failed).toMatchObject({ code: 'BUILD_RUN_FAILED', detail: { line: 3, exitCode: 3 } })
    expect(failed.message).toContain('ended with exit code 3; its last lines:')
    expect(failed.message).toContain('wrong')
  })
})
