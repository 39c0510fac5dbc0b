/** How the cases of a JUnit report ended. */
export interface JunitCounts {
  readonly passed: number
  readonly failed: readonly string[]
  /** Skipped, disabled or in error: whatever is neither passed nor failed. */
  readonly leftOut: readonly string[]
}

/** Counts the cases of a JUnit report (XML text), each by what it contains. Throws when it has none: a report that was not written is no pass. */
export function junitCounts(xml: string): JunitCounts {
  const failed: string[] = []
  const leftOut: string[] = []
  let passed = 0
  for (const [, attributes = '', inner = ''] of xml.matchAll(/<testcase\b([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs)) {
    const name = /\bname="([^"]*)"/.exec(attributes)?.[1] ?? '?'
    if (/<failure\b/.test(inner)) failed.push(name)
    else if (/<(?:skipped|error|disabled)\b/.test(inner)) leftOut.push(name)
    else passed += 1
  }
  if (passed + failed.length + leftOut.length === 0) throw new Error('the report has no test case')
  return { passed, failed, leftOut }
}
