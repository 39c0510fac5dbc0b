import { describe, expect, it } from 'vitest'
import { junitCounts } from './junit-counts.ts'

const report = (...cases: readonly string[]) => `<testsuites><testsuite>${cases.join('\n')}</testsuite></testsuites>`

describe('junitCounts', () => {
  it.each<[string, string, ReturnType<typeof junitCounts>]>([
    ['passed', '<testcase name="a" time="1"></testcase>', { passed: 1, failed: [], leftOut: [] }],
    ['closed at once', '<testcase name="a"/>', { passed: 1, failed: [], leftOut: [] }],
    ['failed', '<testcase name="a"><failure>no</failure></testcase>', { passed: 0, failed: ['a'], leftOut: [] }],
    ['skipped', '<testcase name="a"><skipped></skipped></testcase>', { passed: 0, failed: [], leftOut: ['a'] }],
    ['in error', '<testcase name="a"><error/></testcase>', { passed: 0, failed: [], leftOut: ['a'] }],
    [
      'with its output',
      '<testcase name="a">\n<system-err>x</system-err>\n</testcase>',
      { passed: 1, failed: [], leftOut: [] },
    ],
  ])('counts a case that %s', (_name, testcase, counts) => {
    expect(junitCounts(report(testcase))).toEqual(counts)
  })

  it('adds them up', () => {
    const xml = report(
      '<testcase name="a"/>',
      '<testcase name="b"><failure/></testcase>',
      '<testcase name="c"></testcase>',
    )
    expect(junitCounts(xml)).toEqual({ passed: 2, failed: ['b'], leftOut: [] })
  })

  it('takes no report for a pass', () => {
    expect(() => junitCounts(report())).toThrow('no test case')
  })
})
