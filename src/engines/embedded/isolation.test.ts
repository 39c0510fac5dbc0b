import { describe } from 'vitest'
import { describeEngine } from '../engine.contract.ts'
import { isolatedUnderTest } from './testing.ts'

const isRoot = process.geteuid?.() === 0

// An ordinary user has the other two: `setpriv --reuid … vitest run` of this file runs them.
for (const isolation of isRoot ? (['namespaces', 'chroot', 'none'] as const) : (['user-namespaces', 'none'] as const)) {
  describeEngine(`embedded (${isolation})`, () => isolatedUnderTest(isolation))
}
describe.skip(
  `embedded: ${isRoot ? 'user-namespaces' : 'namespaces, chroot'} (left out: needs ${isRoot ? 'an ordinary user' : 'root'})`,
)
