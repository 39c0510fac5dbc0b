/**
 * `npm run registry-storm [operations]`: 8 parallel pushers and deleters while collections of garbage follow each other, 10,000 operations by
 * default. Exit 0 only when nothing that a tag leads to was lost, and nothing else was kept.
 */
import { collectionStorm } from './collection-storm.ts'

const operations = Number(process.argv[2]) || 10_000
const started = Date.now()
const weather = await collectionStorm({
  workers: 8,
  operations,
  graceMs: 4000,
  onProgress: (done) => {
    if (done % 1000 === 0)
      process.stderr.write(`${done} of ${operations}, ${Math.round((Date.now() - started) / 1000)} s\n`)
  },
})
console.log(JSON.stringify({ kind: 'registry-storm', seconds: Math.round((Date.now() - started) / 1000), ...weather }))
process.exitCode = weather.lost.length + weather.kept.length === 0 ? 0 : 1
