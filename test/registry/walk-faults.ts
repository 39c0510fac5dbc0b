/**
 * `npm run registry-faults`: an upload, a manifest put and a collection of garbage, each killed (SIGKILL) at every system call by which it changes
 * the folder, and each told that the disk is full at every one that can be. Needs strace. Exit 0 only when no run found anything wrong.
 */
import { rm } from 'node:fs/promises'
import { FAULTS, type Fault, faultAt, OPERATIONS, type Operation, preparedStore } from './faults.ts'

const prepared = await preparedStore()
let wrong = 0
try {
  for (const fault of ['killed', 'full'] as const) for (const operation of OPERATIONS) await walk(fault, operation)
} finally {
  await rm(prepared, { recursive: true, force: true })
}
process.exitCode = wrong === 0 ? 0 : 1

async function walk(fault: Fault, operation: Operation): Promise<void> {
  const walked: string[] = []
  for (const call of FAULTS[fault].calls) {
    let nth = 1
    for (let isThere = true; isThere; nth++) {
      const { reached, problems } = await faultAt(prepared, operation, fault, call, nth)
      for (const problem of problems) process.stdout.write(`${operation}, ${fault} at ${call} ${nth}: ${problem}\n`)
      wrong += problems.length
      isThere = reached
    }
    walked.push(`${nth - 2} ${call}`)
  }
  process.stdout.write(`${operation}, ${fault}: ${walked.join(', ')}\n`)
}
