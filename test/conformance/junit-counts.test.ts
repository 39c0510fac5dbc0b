import { describe, expect, it } from 'vitest'
import { junitCounts } from './junit-counts.ts'

const report = (...cases: readonly string[]) => `<testsuites><testsuite>${cases.join('\n')}</testsuite></testsuites>`

describe('junitCounts', () => {
  it.each<[string, string, ReturnType<typeof junitCounts>]>([
    ['passed', '<testcase name="a" time="1"></testcase>', { passed: 1, failed: [], leftOut: [] }],
    ['closed at once', '<testcase name="a"/>', { passed: 1, failed: [], leftOut: [] }],
    ['failed', '<testcase name="a"><failure>no</failure></testcase>', { passed: 0, failed: ['a'], leftOut: [] }],
    ['skipped', '<testcase name="a"><skipped></skipped></testcase>', { passed: 0, failed: [], leftOut: ['a'] }],
    [
      'failed by its status',
      '<testcase name="a" status="failure"></testcase>',
      { passed: 0, failed: ['a'], leftOut: [] },
    ],
    ['was skipped by its status', '<testcase name="a" status="skipped"/>', { passed: 0, failed: [], leftOut: ['a'] }],
    ['passed by its status', '<testcase name="a" status="passed"/>', { passed: 1, failed: [], leftOut: [] }],
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

  it('believes no report that says more failures than it shows', () => {
    const xml = '<testsuites failures="2"><testcase name="a" status="failure"/></testsuites>'
    expect(() => junitCounts(xml)).toThrow('says 2 failures and shows 1')
  })

  it('takes no report for a pass', () => {
    expect(() => junitCounts(report())).toThrow('no test case')
  })
})
