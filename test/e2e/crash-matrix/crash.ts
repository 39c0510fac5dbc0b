import type { Event } from '../../../src/model/event.ts'
import type { EndState } from '../../../src/model/rollout.ts'
import { eventually } from '../harness/eventually.ts'
import { OpenLoop } from '../harness/open-loop.ts'
import { type Ended, renderEvents } from '../harness/operation.ts'
import type { Stage } from '../harness/stage.ts'
import type { TestApp } from '../harness/test-app.ts'
import { LimitWatch } from './limits.ts'
import { strays } from './strays.ts'

/** The app of the crash scenarios: 2 replicas, 1 more at most while it rolls, never fewer than 2. */
export const REPLICAS = 2
const BOUNDS = { atLeastServing: REPLICAS, atMost: REPLICAS + 1 }
const RATE = 50
const SETTLE_MS = 20_000

/** How a deploy ended during which something was killed. */
export interface Crashed {
  readonly exit: number
  readonly endState: EndState | null
  /** Of the open-loop client: why each was lost. */
  readonly lost: readonly string[]
  readonly answered: number
  /** Everything that is not as it must be. Empty: it held. */
  readonly broken: readonly string[]
  readonly story: string
}

/** Deploys the next version under load; `sabotage` sees each event once, and what it begins is waited for. */
export async function deployThrough(
  stage: Stage,
  app: TestApp,
  sabotage: (event: Event, nth: number) => Promise<void> | undefined,
): Promise<Crashed> {
  await app.commit('good', { replicas: REPLICAS })
  const load = new OpenLoop(app.url, RATE)
  const limits = new LimitWatch(stage, app, BOUNDS)
  const work: Promise<void>[] = []
  let nth = 0
  const ended = await stage.deploy(app, (event) => {
    const begun = sabotage(event, ++nth)
    if (begun === undefined) return
    begun.catch(() => {})
    work.push(begun)
  })
  await Promise.all(work)
  const unsettled = await settled(stage, app, ended)
  const lost = (await load.stop()).map((entry) => entry.lost ?? '')
  const { exit, end, events } = ended
  const broken = [...(await limits.stop()), ...unsettled, ...receiptProblems(ended)]
  return { exit, endState: end.endState, lost, answered: load.entries.length, broken, story: renderEvents(events) }
}

/** Waits until nothing is on its way any more, and tells what is not as the operation said. */
async function settled(stage: Stage, app: TestApp, { exit, end }: Ended): Promise<string[]> {
  let problems: string[] = []
  const check = async () => {
    const status = await stage.status(app)
    const [newest] = await stage.history(app)
    const wanted = exit === 0 ? end.revision : status.revision
    problems = [
      ...strays(stage.server.folder, status),
      ...(status.revision === wanted ? [] : [`revision ${status.revision} instead of ${wanted}`]),
      ...(status.rollout === null ? [] : ['a rollout is still under way']),
      ...(newest?.endState ? [] : ['the last rollout has no end']),
      ...(status.replicas.length === REPLICAS ? [] : [`${status.replicas.length} replicas`]),
      ...status.replicas
        .filter(({ ready, revision }) => !ready || revision !== wanted)
        .map(({ id }) => `${id} is not right`),
    ]
    if (problems.length > 0) throw new Error(problems.join(', '))
  }
  await eventually(check, { timeout: SETTLE_MS, interval: 100 }).catch(() => {})
  return problems
}

/** A rollout that went through must have its receipt, with no request lost. */
function receiptProblems({ exit, receipt }: Ended): string[] {
  if (exit !== 0) return []
  if (receipt === null) return ['no receipt']
  const { requests, endState } = receipt
  return [
    ...(endState === 'all-new' ? [] : [`the receipt says ${endState}`]),
    ...(requests.kind === 'measured' && requests.lost === 0 ? [] : [`the receipt says ${JSON.stringify(requests)}`]),
  ]
}
