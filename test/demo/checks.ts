import type { Receipt } from '../../src/model/receipt.ts'
import type { EndState, RolloutKind } from '../../src/model/rollout.ts'
import type { LoadReport } from './load.ts'

/** Something that the demo promised, and whether it held. */
export interface Check {
  readonly what: string
  readonly held: boolean
  /** What was found, as it is told when it did not hold. */
  readonly found: string
}

/** How a chapter's rollout must end. */
export interface Expected {
  readonly exit: number
  readonly kind: RolloutKind
  readonly from: number | null
  readonly to: number
  readonly endState: EndState
  /** The lowest number of available replicas on the way; null: nothing ran before. */
  readonly available: number | null
  /** What the first cause of its failure says; null: it must not fail. */
  readonly cause: RegExp | null
}

/** One rollout against what was promised of it. */
export function checkRollout(name: string, exit: number, receipt: Receipt, expected: Expected): Check[] {
  const of = (what: string, held: boolean, found: unknown): Check => ({
    what: `${name}: ${what}`,
    held,
    found: typeof found === 'string' ? found : JSON.stringify(found),
  })
  const { kind, from, to, endState, failure, requests, cut, fewestAvailable } = receipt
  return [
    of(`exit code ${expected.exit}`, exit === expected.exit, exit),
    of(`a ${expected.kind}`, kind === expected.kind, kind),
    of(moved(expected.from, expected.to), from === expected.from && to === expected.to, moved(from, to)),
    of(expected.endState, endState === expected.endState, endState),
    expected.cause === null
      ? of('no failure', failure === null, failure)
      : of('its first cause is found', failure !== null && expected.cause.test(failure.message), failure),
    of('nothing cut', cut === 0, cut),
    ...(expected.available === null ? [] : measuredWhole(of, requests)),
    ...(expected.available === null
      ? []
      : [
          of(
            `${expected.available} available throughout`,
            (fewestAvailable ?? 0) >= expected.available,
            fewestAvailable,
          ),
        ]),
  ]
}

const moved = (from: number | null, to: number): string => `${from === null ? 'nothing' : `r${from}`} → r${to}`

function measuredWhole(
  of: (what: string, held: boolean, found: unknown) => Check,
  requests: Receipt['requests'],
): Check[] {
  if (requests.kind === 'not-measured') return [of('measured', false, requests.why)]
  const { sent, answered, lost, gaps, lostBy } = requests
  return [
    of('measured', sent > 0 && sent === answered + lost, { sent, answered, lost }),
    of('measured without a gap', gaps.length === 0, gaps),
    of('lost 0', lost === 0, lostBy),
  ]
}

/** The client's own count, against the receipts': it knows nothing of Naru. */
export function checkLoad({ sent, answered, lost, lostBy }: LoadReport): Check[] {
  return [
    { what: 'the load client sent requests', held: sent > 0 && sent === answered + lost, found: `${sent} sent` },
    { what: 'the load client lost 0', held: lost === 0, found: JSON.stringify(lostBy) },
  ]
}
