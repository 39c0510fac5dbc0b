import type { App, Scope } from '../model/app.ts'
import type { Release } from '../model/release.ts'
import type { DesiredState } from '../model/rollout.ts'
import type { Step } from '../model/step.ts'
import { specsOf } from '../plan/rollout-spec.ts'
import { simulate } from '../plan/simulate.ts'
import { countedReplicas, wantedReplicas } from '../plan/wanted-replicas.ts'
import { type Fingerprint, fingerprint } from './fingerprint.ts'
import type { Place } from './place.ts'
import { hasChanges, type Intended, type ReleaseChanges, releaseChanges } from './release-changes.ts'
import { observe, releaseSpecs } from './environment/round.ts'

export interface Preview {
  readonly from: Release | null
  /** The revision that would be rolled out. */
  readonly to: number
  /** null: there is nothing to compare with, because nothing should run now. */
  readonly changes: ReleaseChanges | null
  /** Whether the release would differ from the one that should run now. */
  readonly isChanged: boolean
  readonly steps: readonly Step[]
  /** null: nothing runs before. */
  readonly fewestAvailable: number | null
  /** Wanted at the end, and before (null: nothing), over the same roles. */
  readonly replicas: number
  readonly replicasBefore: number | null
  readonly fingerprint: Fingerprint
}

/** What a deploy would do: the planner run to its end from what is there now. Changes nothing. */
export async function previewDeploy(
  place: Place,
  scope: Scope,
  intended: Intended,
  hash: (text: string) => string,
  signal: AbortSignal,
): Promise<Preview> {
  const { memory, clock, engine } = place
  const desired = await memory.desired(scope)
  const seen = await observe(place, scope, signal)
  const releases = await memory.releases(scope)
  const from = desired.revision === null ? null : await memory.release(scope, desired.revision)
  const to = intended.release?.revision ?? Math.max(0, ...releases.map(({ revision }) => revision)) + 1
  const specs = await releaseSpecs(place, desired, seen.observed, (revision) => memory.release(scope, revision))
  specs.set(to, specsOf(intended.settings, {}, engine.traits))
  const wanted: DesiredState = { ...desired, revision: to, scale: {}, paused: false }
  const { steps, fewestAvailable, replicas } = simulate({ specs, desired: wanted, ...seen }, clock.now())
  const secrets = Object.fromEntries((await memory.secrets(scope)).map(({ name, version }) => [name, version]))
  const { settings: app, image } = intended
  const { commit } = intended.source
  const changes = from === null ? null : releaseChanges(from, desired.scale, intended, secrets)
  return {
    from,
    to,
    changes,
    isChanged: changes === null || hasChanges(changes),
    steps: [...preparation(app, to, intended.release === null), ...steps],
    fewestAvailable: seen.observed.replicas.length === 0 ? null : fewestAvailable,
    replicas,
    replicasBefore: from === null ? null : countedReplicas(app, wantedReplicas(from.settings, desired.scale)),
    fingerprint: fingerprint({ app, commit, image, secrets }, { desired, observed: seen.observed }, hash),
  }
}

function preparation({ migrate }: App, revision: number, isNew: boolean): Step[] {
  const prepare: Step = { kind: 'prepare', revision, cause: 'before anything is touched' }
  if (migrate === null || !isNew) return [prepare]
  return [
    prepare,
    { kind: 'migrate', revision, cause: `once, before any replica is replaced: ${migrate.run.join(' ')}` },
  ]
}
