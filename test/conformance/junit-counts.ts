/** How the cases of a JUnit report ended. */
export interface JunitCounts {
  readonly passed: number
  readonly failed: readonly string[]
  /** Skipped, disabled or in error: whatever is neither passed nor failed. */
  readonly leftOut: readonly string[]
}

/**
 * Counts the cases of a JUnit report (XML text). A case says how it ended by an element (JUnit) or by its attribute `status` (the suite of the
 * distribution specification). Throws when there is no case, or when the report's own count of failures is another: no report is no pass.
 */
export function junitCounts(xml: string): JunitCounts {
  const failed: string[] = []
  const leftOut: string[] = []
  let passed = 0
  for (const [, attributes = '', inner = ''] of xml.matchAll(/<testcase\b([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs)) {
    const name = /\bname="([^"]*)"/.exec(attributes)?.[1] ?? '?'
    const status = /\bstatus="([^"]*)"/.exec(attributes)?.[1] ?? 'passed'
    if (status === 'failure' || /<failure\b/.test(inner)) failed.push(name)
    else if (status !== 'passed' || /<(?:skipped|error|disabled)\b/.test(inner)) leftOut.push(name)
    else passed += 1
  }
  if (passed + failed.length + leftOut.length === 0) throw new Error('the report has no test case')
  const said = Number(/<testsuites\b[^>]*\bfailures="(\d+)"/.exec(xml)?.[1] ?? failed.length)
  if (said !== failed.length) throw new Error(`the report says ${said} failures and shows ${failed.length}`)
  return { passed, failed, leftOut }
}
