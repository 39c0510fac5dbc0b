import { spawnSync } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faultAt, OPERATIONS, preparedStore } from './faults.ts'

const canTrace = spawnSync('strace', ['-qq', '-o', '/dev/null', 'true']).status === 0

/** Some of what `npm run registry-faults` walks whole. */
const SOME = [
  ['killed', 'fdatasync', 1],
  ['killed', 'rename', 1],
  ['killed', 'rename', 2],
  ['killed', 'fsync', 2],
  ['killed', 'unlink', 2],
  ['killed', 'write', 3],
  ['full', 'fdatasync', 1],
  ['full', 'rename', 2],
  ['full', 'fsync', 2],
] as const

describe.skipIf(!canTrace)(
  'F6, F14: a fault at one system call (needs strace; npm run registry-faults: at every one)',
  () => {
    let prepared = ''
    beforeAll(async () => {
      prepared = await preparedStore()
    })
    afterAll(() => rm(prepared, { recursive: true, force: true }))

    it.each(OPERATIONS.flatMap((operation) => SOME.map((some) => [operation, ...some] as const)))(
      '%s, %s at %s number %i: nothing acknowledged is lost, nothing is torn, nothing stays, and it goes through then',
      async (operation, fault, call, nth) => {
        expect((await faultAt(prepared, operation, fault, call, nth)).problems).toEqual([])
      },
      120_000,
    )
  },
)
