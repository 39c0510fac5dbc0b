import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aBuild } from '../../src/build/testing.ts'
import { OciLayout } from '../../src/registry/oci-layout.ts'
import { type BothBuilders, missingForBoth, missingForFacts, openBoth } from './both-builders.ts'
import { GROUPS } from './cases/groups.ts'
import { differences, readFacts } from './image-facts.ts'

const missing = await missingForBoth()
const missingProgram = await missingForFacts()
const EVERY = 5
const CUT = Object.entries(GROUPS)
  .flatMap(([group, cases]) => cases.map((one) => [`${group}: ${one.name}`, one] as const))
  .filter((_, index) => index % EVERY === 0)

describe.skipIf(missing !== null)(`Naru beside a real BuildKit (left out without ${missing ?? 'nothing'})`, () => {
  let both: BothBuilders | null = null
  beforeAll(async () => {
    both = await openBoth()
  }, 300_000)
  afterAll(() => both?.[Symbol.asyncDispose](), 60_000)

  // A cut; `npm run differential` builds them all.
  it.each(CUT)(
    'agrees on %s',
    async (_name, one) => {
      const verdict = await both?.judge(one)
      expect(verdict).toBeDefined()
      expect(verdict?.kind === 'differs' ? verdict.lines : []).toEqual([])
    },
    120_000,
  )
})

describe.skipIf(missingProgram !== null)(`the comparison (left out without ${missingProgram ?? 'nothing'})`, () => {
  const COMMON = ['FROM scratch', 'COPY a /a', 'COPY l /l', 'COPY d /d']
  const planted: readonly (readonly [string, string, readonly string[]])[] = [
    ['a mode', 'COPY --chmod=600 a /a', ['/a']],
    ['an owner', 'COPY --chown=1:0 a /a', ['/a']],
    ['a group', 'COPY --chown=0:1 a /a', ['/a']],
    ['a content of the same size', 'COPY b /a', ['/a']],
    ['one file more', 'COPY a /more', ['/more', 'history']],
    ['a target of a link', 'COPY m /l', ['/l']],
    ['a variable', 'ENV x=1', ['config Env', 'history']],
    ['a command', 'CMD ["x"]', ['config Cmd', 'history']],
    ['a label', 'LABEL x=1', ['config Labels', 'history']],
    ['a port', 'EXPOSE 1', ['config ExposedPorts', 'history']],
    ['a check', 'HEALTHCHECK NONE', ['config Healthcheck', 'history']],
  ]

  it.each(planted)('sees %s that differs', async (_name, line, expected) => {
    await using build = await aBuild({ a: 'a', b: 'b', 'l/x': { link: 'a' }, 'm/x': { link: 'b' }, 'd/e': 'e' })
    const facts = async (name: string, lines: readonly string[]) => {
      await build.write({ Dockerfile: `${lines.join('\n')}\n` })
      const layout = join(build.folder, name)
      const store = await OciLayout.open(layout)
      await build.run({ destination: { store, repository: 'case', tags: ['1'] } })
      return readFacts(layout, join(build.folder, `root-${name}`))
    }
    const [one, same] = [await facts('one', COMMON), await facts('same', COMMON)]
    expect(differences(one, same)).toEqual([])
    const other = await facts('other', [...COMMON, line])
    const seen = differences(one, other).map((text) => text.slice(0, text.indexOf(':')))
    for (const name of expected) expect(seen.some((text) => text === name || text.startsWith(`${name}/`))).toBe(true)
    expect(differences(one, same, { '/a': 'a reason that is stale' })).toHaveLength(1)
  })
})
