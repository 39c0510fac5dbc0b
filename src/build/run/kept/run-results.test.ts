import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { basesOf, finishedSteps, never, type TestBuild } from '../../testing.ts'
import { aBusyboxBuild, failure, hasBusybox } from '../testing.ts'

const able = hasBusybox && process.geteuid?.() === 0
const DOCKERFILE = `FROM busybox:1
COPY f /f
RUN mkdir /d && cat /f > /d/a && ln /d/a /d/b && touch -d "2001-02-03 04:05:06" /d/old
RUN stat -c %Y /d/a /f > /times; find /d | sort > /list
`

/** The folders of all results. */
async function results({ cacheFolder }: TestBuild): Promise<readonly string[]> {
  const runs = join(cacheFolder, 'sandbox', 'runs')
  return (await readdir(runs)).map((name) => join(runs, name))
}

/** Of each RUN whether it was found. */
const cachedRuns = ({ happenings }: Awaited<ReturnType<TestBuild['run']>>): readonly boolean[] =>
  finishedSteps(happenings).flatMap(({ instruction, cached }) => (instruction.startsWith('RUN') ? cached : []))

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
    expect(cachedRuns(again)).toEqual([true, true])
    expect(again.happenings.filter(({ kind }) => kind === 'log')).toEqual([])
  })

  it('change with the files below, an argument, and nothing else', async () => {
    const dockerfile = 'FROM busybox:1\nARG A=1\nARG B=1\nCOPY f /f\nRUN cat /f && echo $A\nCOPY g /g\n'
    await using build = await aBusyboxBuild({ Dockerfile: dockerfile, f: '1', g: '1' })
    const cached = async (args: Record<string, string> = {}) => cachedRuns(await build.run({ args }))
    expect(await cached()).toEqual([false])
    await build.write({ g: '2' })
    expect(await cached()).toEqual([true])
    expect(await cached({ HTTP_PROXY: 'http://127.0.0.1:1' })).toEqual([true])
    await build.write({ f: '2' })
    expect(await cached()).toEqual([false])
    expect(await cached({ A: '2' })).toEqual([false])
    expect(await cached({ A: '2' })).toEqual([true])
  })

  it.each([
    ['summary.json', '{"form":"run-2","ent'],
    ['summary.json', '{"form":"run-1"}'],
    ['layer.json', '{"layer":[{"p":'],
    ['layer.json', null],
  ])('are made anew when they are damaged: %s is %j', async (name, text) => {
    await using build = await aBusyboxBuild({ Dockerfile: DOCKERFILE, f: 'F' })
    const { artifact } = await build.run()
    const folders = await results(build)
    for (const folder of folders) await (text === null ? rm(join(folder, name)) : writeFile(join(folder, name), text))
    const again = await build.run()
    expect(again.artifact).toEqual(artifact)
    expect(cachedRuns(again)).toEqual([false, false])
    // What is kept in their place counts.
    expect(cachedRuns(await build.run())).toEqual([true, true])
    expect(await readdir(join(build.cacheFolder, 'sandbox', 'work'))).toEqual([])
  })

  it('are dropped when damage shows only as they are read, and made anew by the next build', async () => {
    await using build = await aBusyboxBuild({ Dockerfile: DOCKERFILE, f: 'F' })
    const { artifact } = await build.run()
    for (const folder of await results(build)) {
      const listing = join(folder, 'layer.json')
      await writeFile(listing, (await readFile(listing, 'utf8')).replace('"m":4', '"m":5'))
    }
    // Nothing has to be read for an image that is there.
    expect((await build.run()).artifact).toEqual(artifact)
    await rm(join(build.cacheFolder, 'layers'), { recursive: true })
    expect(await failure(build)).toMatchObject({
      code: 'BUILD_SOURCE_INVALID',
      message: expect.stringContaining('is damaged'),
    })
    await expect
      .poll(
        () =>
          build.run().then(
            (again) => again.artifact,
            () => null,
          ),
        { timeout: 60_000 },
      )
      .toEqual(artifact)
  })

  it('are made anew on request, also while older ones are in use, and found by later builds', async () => {
    await using build = await aBusyboxBuild({
      Dockerfile: 'FROM busybox:1\nRUN head -c 9 /dev/urandom > /random\nRUN cp /random /copy\n',
    })
    const random = async (fresh: boolean) => (await build.image({ fresh })).files.copy
    const [first, again] = [await random(false), await random(false)]
    expect(again).toBe(first)
    const older = await results(build)
    const renewed = await random(true)
    expect(renewed).not.toBe(first)
    expect(await random(false)).toBe(renewed)
    expect(await results(build)).toEqual(expect.arrayContaining([...older]))
    const third = await random(true)
    expect(third).not.toBe(renewed)
    expect(await random(false)).toBe(third)
  })

  it('need no listing where nothing is to be packed', async () => {
    await using build = await aBusyboxBuild({ Dockerfile: `${DOCKERFILE}RUN true\n`, f: 'F' })
    const { artifact } = await build.run()
    for (const folder of await results(build)) {
      const { size } = await stat(join(folder, 'layer.json'))
      await writeFile(join(folder, 'layer.json'), ' '.repeat(size))
    }
    const again = await build.run()
    expect(again.artifact).toEqual(artifact)
    expect(cachedRuns(again)).toEqual([true, true, true])
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

  it('are looked through before the next build only when something was added', async () => {
    await using build = await aBusyboxBuild(
      { Dockerfile: 'FROM busybox:1\nARG V\nRUN echo > /$V\n' },
      { mostBytes: 1_000_000_000 },
    )
    const cached = async (V: string) => cachedRuns(await build.run({ args: { V } }))
    expect([await cached('a'), await cached('a')]).toEqual([[false], [true]])
    for (const folder of await results(build)) await writeFile(join(folder, 'bytes'), String(1e12))
    expect(await cached('a')).toEqual([true])
    expect([await cached('b'), await cached('a')]).toEqual([[false], [false]])
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
