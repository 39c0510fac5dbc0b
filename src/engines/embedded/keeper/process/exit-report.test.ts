import { describe, expect, it } from 'vitest'
import { exitReport } from './exit-report.ts'
import { aSpec } from '../testing.ts'

const { launch } = aSpec({}, { program: '/usr/bin/unshare', args: ['--fork', '--', '/app'] })
const report = (ending: Parameters<typeof exitReport>[0]['ending'], logTail: string[] = []) =>
  exitReport({ launch, ending, atMs: 1, outOfMemory: false, logTail, cut: 0 })
const exited = (code: number) => ({ known: true, code, signal: null })

describe('exitReport', () => {
  it.each([
    ['ENOENT', 'program-not-found'],
    ['EACCES', 'not-executable'],
    ['ENOEXEC', 'wrong-architecture'],
    ['EAGAIN', 'other'],
  ])('reads a start that failed with %s as %s', (startError, startFailure) => {
    expect(report({ startError })).toMatchObject({ known: true, code: null, startFailure })
  })

  it.each([
    [127, 'unshare: failed to execute /app: No such file or directory', 'program-not-found'],
    [126, 'setpriv: failed to execute /app: Exec format error', 'wrong-architecture'],
    [126, "chroot: failed to run command '/app': Permission denied", 'not-executable'],
    [127, 'sh: 1: foo: not found', null],
    [3, 'unshare: failed to execute /app: No such file or directory', null],
    [1, 'fatal: no database', null],
  ])('reads exit code %i with "%s" as %s', (code, line, startFailure) => {
    expect(report(exited(code), ['started', line])).toMatchObject({ code, startFailure })
  })

  it('keeps the last 20 lines', () => {
    const lines = Array.from({ length: 30 }, (_, at) => `line ${at}`)
    expect(report(exited(1), lines).logTail).toEqual(lines.slice(10))
  })
})
