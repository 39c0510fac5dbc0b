import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Chain, type Link } from './chain.ts'

it('has what was added and not removed, in order, whatever was done in between', () => {
  const step = fc.oneof(fc.record({ add: fc.nat() }), fc.record({ remove: fc.nat() }))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const chain = new Chain<number>()
      const links: Link<number>[] = []
      const expected: { value: number; link: number }[] = []
      for (const one of steps) {
        if ('add' in one) {
          expected.push({ value: one.add, link: links.length })
          links.push(chain.add(one.add))
        } else if (links.length > 0) {
          // Also one that was removed before.
          const gone = one.remove % links.length
          links[gone]?.remove()
          const at = expected.findIndex(({ link }) => link === gone)
          if (at >= 0) expected.splice(at, 1)
        }
        expect(chain.values()).toEqual(expected.map(({ value }) => value))
        expect(chain.first?.value).toBe(expected[0]?.value)
      }
    }),
  )
})
