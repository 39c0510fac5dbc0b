// Builds every Dockerfile of ./cases with Naru and with a real BuildKit, and compares what came out: files and configuration.
// Usage: npm run differential [words of a case's name or of its group …]
import { mapLimited } from '../../src/build/image/map-limited.ts'
import { GROUPS } from './cases/groups.ts'
import { missingForBoth, openBoth, type Verdict } from './both-builders.ts'

const PARALLEL = 3

const missing = await missingForBoth()
if (missing !== null) {
  console.log(`needs ${missing}`)
  process.exit(2)
}
const words = process.argv.slice(2)
const chosen = Object.entries(GROUPS)
  .flatMap(([group, cases]) => cases.map((one) => ({ group, one })))
  .filter(({ group, one }) => words.every((word) => `${group}: ${one.name}`.includes(word)))
const started = performance.now()
await using both = await openBoth()
console.log(`${chosen.length} Dockerfiles, Naru beside ${both.versions}`)
const judged = await mapLimited(chosen, PARALLEL, new AbortController().signal, async ({ group, one }) => {
  const verdict = await both.judge(one)
  if (verdict.kind === 'differs') console.log(`\n✗ ${group}: ${one.name}\n    ${verdict.lines.join('\n    ')}`)
  return { group, one, verdict }
})
tell()

function tell(): void {
  const count = (kind: Verdict['kind'], group?: string) =>
    judged.filter((each) => each.verdict.kind === kind && (group === undefined || each.group === group)).length
  console.log(`\n${'same'.padStart(6)}${'not yet'.padStart(9)}${'differs'.padStart(9)}  group`)
  for (const group of new Set(judged.map((each) => each.group))) {
    const row = [
      String(count('same', group)).padStart(6),
      String(count('not yet', group)).padStart(9),
      String(count('differs', group)).padStart(9),
    ]
    console.log(`${row.join('')}  ${group}`)
  }
  for (const { group, one, verdict } of judged) {
    if (verdict.kind === 'not yet') console.log(`not built yet: ${group}: ${one.name} (${verdict.reason})`)
  }
  for (const { group, one } of judged) {
    for (const [fact, reason] of Object.entries({
      ...one.except,
      ...(one.onlyBuildkit === undefined ? {} : { 'naru refuses': one.onlyBuildkit }),
      ...(one.onlyNaru === undefined ? {} : { 'buildkit refuses': one.onlyNaru }),
    }))
      console.log(`on purpose: ${group}: ${one.name}: ${fact}: ${reason}`)
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  console.log(`${count('same')} passed, ${count('differs')} failed, ${count('not yet')} skipped`)
  console.log(`in ${seconds} s`)
  if (count('differs') > 0) process.exitCode = 1
}
