import { describe, expect, it } from 'vitest'
import type { Happening } from '../model/event.ts'
import { aBusyboxBuild, hasBusybox } from './run/testing.ts'
import { aBuild, basesOf, never } from './testing.ts'
import { dockerfileBuilder } from './dockerfile-builder.ts'

const able = hasBusybox && process.geteuid?.() === 0

/** `started [a 2/3] RUN x`, without numbers and times; CACHED where nothing was done. */
const told = (happenings: readonly Happening[]): readonly string[] =>
  happenings.flatMap((one) => {
    if (one.kind !== 'build') return []
    const { state, cached, stage, step, steps, instruction } = one
    return `${cached ? 'CACHED' : state} [${`${stage} `.trimStart()}${step}/${steps}] ${instruction}`
  })
/** Sorted: layers are packed side by side. */
const ended = (happenings: readonly Happening[]) =>
  told(happenings)
    .filter((line) => !line.startsWith('started'))
    .sort()

describe('steps of a Dockerfile', () => {
  it('are those that make files, counted in their stage, whose name is left out where there is one stage', async () => {
    await using build = await aBuild({ Dockerfile: 'FROM scratch\nENV A=1\nWORKDIR /w\nCOPY a .\nCMD ["x"]\n', a: '1' })
    expect(told((await build.run()).happenings).toSorted()).toEqual([
      'finished [1/2] WORKDIR /w',
      'finished [2/2] COPY a .',
      'started [1/2] WORKDIR /w',
      'started [2/2] COPY a .',
    ])
    expect(ended((await build.run()).happenings)).toEqual(['CACHED [1/2] WORKDIR /w', 'CACHED [2/2] COPY a .'])
  })

  it('that fail are told so', async () => {
    await using build = await aBuild({ Dockerfile: 'FROM scratch\nCOPY a /\nCOPY nothing /\n', a: '1' })
    const happenings: Happening[] = []
    const builder = dockerfileBuilder({ cacheFolder: build.cacheFolder })
    const destination = { store: build.store, repository: 'shop', tags: [] }
    const request = {
      root: build.root,
      context: '.',
      dockerfile: 'Dockerfile',
      target: null,
      args: {},
      epochSeconds: 0,
    }
    const report = (happening: Happening) => happenings.push(happening)
    const whole = { ...request, bases: basesOf(build.store), destination }
    await expect(builder.build(whole, report, never)).rejects.toMatchObject({ code: 'BUILD_COPY_SOURCE_MISSING' })
    expect(ended(happenings)).toEqual(['failed [2/2] COPY nothing /'])
  })

  it.skipIf(!able)('of several stages, triggers and what they write (needs root and busybox)', async () => {
    await using build = await aBusyboxBuild({
      Dockerfile: [
        ...['FROM busybox:1 AS made', 'COPY a /a', 'RUN echo one; echo two >&2; cp /a /b', 'FROM made', 'RUN cp /b /c'],
        ...['FROM scratch', 'COPY --from=made /b /', 'COPY --from=1 /c /'],
      ].join('\n'),
      a: '1',
    })
    const { happenings } = await build.run()
    expect(ended(happenings)).toEqual([
      'finished [made 2/3] COPY a /a',
      'finished [made 3/3] RUN echo one; echo two >&2; cp /a /b',
      'finished [stage-1 1/1] RUN cp /b /c',
      'finished [stage-2 1/2] COPY --from=made /b /',
      'finished [stage-2 2/2] COPY --from=1 /c /',
    ])
    const log = happenings.flatMap((one) => (one.kind === 'log' ? [`#${one.step?.number} ${one.line}`] : []))
    expect(log.sort()).toEqual(['#2 one', '#2 two'])
    expect(ended((await build.run()).happenings).filter((line) => !line.startsWith('CACHED'))).toEqual([])
    await build.write({ Dockerfile: 'FROM busybox:1\nONBUILD COPY a /a\n' })
    await build.run({ destination: { store: build.store, repository: 'trigger', tags: ['1'] } })
    await build.write({ Dockerfile: 'FROM trigger:1\nRUN cp /a /d\n' })
    expect(ended((await build.run()).happenings)).toEqual(['finished [2/3] COPY a /a', 'finished [3/3] RUN cp /a /d'])
  })
})
