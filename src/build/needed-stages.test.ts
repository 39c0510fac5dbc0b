import { expect, it } from 'vitest'
import { aBuild } from './testing.ts'

const BEFORE = 'it needs to be defined before the current stage'

it.each([
  [
    'a later stage',
    2,
    'FROM scratch AS b\nCOPY --from=later /x /x\nFROM scratch AS later\nCOPY a /x\nFROM b\n',
    BEFORE,
  ],
  [
    'a later stage by its number',
    2,
    'FROM scratch AS b\nCOPY --from=1 /x /x\nFROM scratch\nCOPY a /x\nFROM b\n',
    BEFORE,
  ],
  ['its own stage', 2, 'FROM scratch AS me\nCOPY --from=me /x /y\n', 'stage me takes files from itself'],
  ['the number of its own stage', 2, 'FROM scratch\nCOPY --from=0 /x /y\n', 'stage 0 takes files from itself'],
  [
    'a mount from a later stage',
    2,
    'FROM scratch AS b\nRUN --mount=from=z,target=/m true\nFROM scratch AS z\nFROM b\n',
    BEFORE,
  ],
])('COPY --from %s is refused at line %d, and asked of no registry', async (_, line, Dockerfile, message) => {
  await using build = await aBuild({ Dockerfile, a: 'x' })
  await expect(build.run()).rejects.toMatchObject({
    code: 'DOCKERFILE_SYNTAX',
    message: expect.stringMatching(new RegExp(`^Dockerfile:${line}:1: .*${message}`)),
  })
})

it('a stage above with that name is taken, and what is in a stage that nobody needs does not matter', async () => {
  const unneeded = 'FROM scratch AS unneeded\nCOPY --from=unneeded /a /a\n'
  const Dockerfile = `${unneeded}FROM scratch AS one\nCOPY a /a\nFROM scratch\nCOPY --from=one /a /b\n`
  await using build = await aBuild({ Dockerfile, a: 'x' })
  expect((await build.run()).layers.length).toBe(1)
})
