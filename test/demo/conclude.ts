import { NARU } from './naru.ts'
import type { Narrator } from './narrator.ts'
import type { Story } from './story.ts'

/** How the demo ended. */
export interface Outcome {
  readonly story: Pick<Story, 'checks' | 'rows' | 'load' | 'isolation'>
  /** What stopped it before its end; null: nothing did. */
  readonly failure: string | null
  readonly leftovers: readonly string[]
}

/** Whether everything that the demo said held. */
export const isWhole = ({ story, failure, leftovers }: Outcome): boolean =>
  failure === null && leftovers.length === 0 && story.load !== null && story.checks.every(({ held }) => held)

/** The last words, and the last line of JSON. */
export function conclude(outcome: Outcome & { readonly narrator: Narrator; readonly tookMs: number }): void {
  const { narrator, story, failure, leftovers, tookMs } = outcome
  const broken = story.checks.filter(({ held }) => !held)
  const held = isWhole(outcome)
  if (leftovers.length === 0)
    narrator.say('No process, mount, namespace, nft table, cgroup or file of the demo is there any more.')
  for (const line of leftovers) narrator.say(`left behind: ${line}`)
  for (const { what, found } of broken) narrator.say(`did not hold: ${what} (found ${found})`)
  if (held)
    narrator.say(
      `${story.checks.length} checks held in ${Math.round(tookMs / 1000)} s (isolation: ${story.isolation}).`,
    )
  if (held && !narrator.json) narrator.table(['', ...NEXT])
  narrator.object({
    kind: 'demo',
    held,
    isolation: story.isolation,
    tookMs: Math.round(tookMs),
    receipts: story.rows,
    client: story.load,
    checks: story.checks,
    failure,
    leftovers,
  })
}

const NEXT = [
  'Next, in a Git repository of your own:',
  `  alias naru="${process.execPath} ${NARU}"`,
  '  naru doctor    what this machine can do',
  '  naru init      write a commented naru.yaml, and a Dockerfile where there is none',
  '  naru plan      what a deploy would do',
  '  naru deploy    do it',
]
