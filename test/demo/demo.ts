/**
 * `npm run demo`: a real application from its first commit through a measured rolling update, a failure, a rollback and a
 * killed server, on this machine alone. `-- --output json`: JSON lines, the last of which sums up. Exit 0 only when everything
 * that it says held; 130 after Ctrl-C. However it ends, nothing is left behind.
 */
import { parseArgs } from 'node:util'
import { cleanUp } from './clean-up.ts'
import { conclude, isWhole } from './conclude.ts'
import { Narrator } from './narrator.ts'
import { Story } from './story.ts'
import { makeSurroundings } from './surroundings.ts'

const { values } = parseArgs({ options: { output: { type: 'string', default: 'text' } } })
const narrator = new Narrator(values.output === 'json')
const startedMs = performance.now()
const ending = new AbortController()
let exit = 1
const interrupt = (why: string) => {
  exit = 130
  ending.abort(new Error(why))
}
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interrupt(name))
// A mistake of ours: what was started must be ended all the same.
process.on('uncaughtException', (failed) => ending.abort(failed))
// Nobody reads any more (`npm run demo | head`): what was started must be ended all the same.
process.stdout.on('error', () => interrupt('nobody reads stdout any more'))

const where = await makeSurroundings()
const story = new Story(where, narrator, ending.signal)
narrator.say(
  'Naru takes a web application from its first commit through rolling updates that lose nothing, on this machine alone.',
)
narrator.say(`Everything happens in ${where.folder} and on 127.0.0.1, and is gone at the end.`)
let failure: string | null = null
try {
  await story.tell()
} catch (failed) {
  const reason: unknown = ending.signal.aborted ? ending.signal.reason : failed
  failure = reason instanceof Error ? reason.message : String(reason)
  narrator.say(`\nThe demo stops here: ${failure}`)
  if (!ending.signal.aborted) for (const line of story.complaints) narrator.say(`server: ${line}`)
}
narrator.chapter('Nothing is left behind')
const leftovers = await cleanUp(where, story)
conclude({ narrator, story, failure, leftovers, tookMs: performance.now() - startedMs })
process.exit(isWhole({ story, failure, leftovers }) ? 0 : exit)
