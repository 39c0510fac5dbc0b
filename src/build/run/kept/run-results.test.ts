import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { basesOf, finishedSteps, never } from '../../testing.ts'
import { aBusyboxBuild, hasBusybox } from '../testing.ts'

const able = hasBusybox && process.geteuid?.() === 0
const DOCKERFILE = `FROM busybox:1
COPY f /f
RUN mkdir /d && cat /f > /d/a && ln /d/a /d/b && touch -d "2001-02-03 04:05:06" /d/old
RUN stat -c %Y /d/a /f > /times; find /d | sort > /list
`

describe.skipIf(!able)('results of RUNs (need root and busybox)', () => {
  it('have the same digest in another cache, at another time, for another commit', async () => {
    await using one = await aBusyboxBuild({ Dockerfile: DOCKERFILE, f: 'F' })
    await using other = await aBusyboxBuild({ Dockerfile: DOCKERFILE, f: 'F' })
    const { layers, artifact } = await one.run()
    await rm(join(other.cacheFolder, 'layers'), { recursive: true, force: true })
    expect((await other.run()).artifact).toEqual(artifact)
    expect((await other.run({ epochSeconds: 1_800_000_000 })).layers.map(({ digest }) => digest)).toEqual(
      layers.map(({ digest }) => digest),
    )
  })

  it('are found again, by other apps too, and packed and sent once', async () => {
    await using build = await aBusyboxBuild({ Dockerfile: DOCKERFILE, f: 'F' })
    const first = await build.run()
    const again = await build.run({ destination: { store: build.store, repository: 'other', tags: ['1'] } })
    expect(again.artifact).toEqual(first.artifact)
    const ran = finishedSteps(again.happenings).filter(({ instruction }) => instruction.startsWith('RUN'))
    expect(ran.map(({ cached }) => cached)).toEqual([true, true])
    expect(again.happenings.filter(({ kind }) => kind === 'log')).toEqual([])
  })

  it('change with the files below, an argument, and nothing else', async () => {
    const dockerfile = 'FROM busybox:1\nARG A=1\nARG B=1\nCOPY f /f\nRUN cat /f && echo $A\nCOPY g /g\n'
    await using build = await aBusyboxBuild({ Dockerfile: dockerfile, f: '1', g: '1' })
    const cached = async (args: Record<string, string> = {}) => {
      const { happenings } = await build.run({ args })
      const ran = finishedSteps(happenings).filter(({ instruction }) => instruction.startsWith('RUN'))
      return ran.map((one) => one.cached)
    }
    expect(await cached()).toEqual([false])
    await build.write({ g: '2' })
    expect(await cached()).toEqual([true])
    expect(await cached({ HTTP_PROXY: 'http://127.0.0.1:1' })).toEqual([true])
    await build.write({ f: '2' })
    expect(await cached()).toEqual([false])
    expect(await cached({ A: '2' })).toEqual([false])
    expect(await cached({ A: '2' })).toEqual([true])
  })

  it('are made anew when they are damaged', async () => {
    await using build = await aBusyboxBuild({ Dockerfile: DOCKERFILE, f: 'F' })
    const { artifact } = await build.run()
    const runs = join(build.cacheFolder, 'sandbox', 'runs')
    for (const name of await readdir(runs)) await writeFile(join(runs, name, 'layer.json'), '{"form":"run-1","lay')
    expect((await build.run()).artifact).toEqual(artifact)
  })

  it('go when they take too much, the oldest first, while no build runs', async () => {
    await using build = await aBusyboxBuild(
      { Dockerfile: 'FROM busybox:1\nARG V\nRUN head -c 600000 /dev/zero > /$V\n' },
      { mostBytes: 4_000_000 },
    )
    for (const V of ['a', 'b', 'c', 'd', 'e']) await build.run({ args: { V } })
    const folder = join(build.cacheFolder, 'sandbox')
    const sizes = await Promise.all(
      ['runs', 'lowers'].map(async (kind) => {
        const names = await readdir(join(folder, kind))
        return Promise.all(names.map(async (name) => Number(await readFile(join(folder, kind, name, 'bytes'), 'utf8'))))
      }),
    )
    const left = sizes.flat().reduce((sum, bytes) => sum + bytes, 0)
    const newest = (await stat(join(build.cacheFolder, 'sandbox', 'runs'))).isDirectory()
    expect(newest).toBe(true)
    // One build may add to what was pruned before it.
    expect(left).toBeLessThanOrEqual(4_000_000 + 600_000)
    expect(sizes[0]?.length).toBeLessThan(5)
  })

  it('all go when that is asked for, cache mounts with them, and the next build makes the same again', async () => {
    await using build = await aBusyboxBuild({
      Dockerfile:
        'FROM busybox:1\nRUN --mount=type=cache,target=/c head -c 300000 /dev/zero > /c/f && head -c 600000 /c/f > /f\n',
    })
    const { artifact } = await build.run()
    const would = await build.prune(true, never)
    expect(would?.bytes).toBeGreaterThan(600_000)
    const folder = join(build.cacheFolder, 'sandbox')
    const kept = async () =>
      (await Promise.all(['runs', 'lowers', 'caches'].map((kind) => readdir(join(folder, kind))))).flat().length
    expect(await kept()).toBe(would?.entries)
    expect(await build.prune(false, never)).toEqual(would)
    expect(await kept()).toBe(0)
    expect(await build.prune(false, never)).toEqual({ entries: 0, bytes: 0 })
    expect((await build.run()).artifact).toEqual(artifact)
  })

  it('stay while a build runs', async () => {
    await using build = await aBusyboxBuild({ Dockerfile: 'FROM busybox:1\nRUN echo a > /a\n' })
    const pruned: unknown[] = []
    const bases = basesOf(build.store)
    await build.run({
      bases: {
        find: async (...asked) => {
          pruned.push(await build.prune(false, never))
          return bases.find(...asked)
        },
      },
    })
    expect(pruned).toEqual([null])
  })
})
