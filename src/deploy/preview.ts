import type { App, Scope } from '../model/app.ts'
import type { Release } from '../model/release.ts'
import type { DesiredState } from '../model/rollout.ts'
import type { Step } from '../model/step.ts'
import { specsOf } from '../plan/rollout-spec.ts'
import { simulate } from '../plan/simulate.ts'
import { changedSettings, type SettingChange } from './receipt/diff-settings.ts'
import { type Fingerprint, fingerprint } from './fingerprint.ts'
import type { Place } from './place.ts'
import { settleLike } from './settle-like.ts'
import { observe, releaseSpecs } from './environment/round.ts'

/** What a deploy is about to fix, before an artifact exists. */
export interface Intended {
  readonly settings: App
  readonly commit: string | null
  readonly image: string | null
  /** An existing revision that is deployed again; null: a new release. */
  readonly revision: number | null
}

export interface Preview {
  readonly from: Release | null
  /** The revision that would be rolled out. */
  readonly to: number
  readonly changes: readonly SettingChange[]
  /** Whether the release would differ from the one that should run now. */
  readonly isChanged: boolean
  readonly steps: readonly Step[]
  /** null: nothing runs before. */
  readonly fewestAvailable: number | null
  readonly replicas: number
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
  const to = intended.revision ?? Math.max(0, ...releases.map(({ revision }) => revision)) + 1
  const specs = await releaseSpecs(place, desired, seen.observed, (revision) => memory.release(scope, revision))
  specs.set(to, specsOf(intended.settings, {}, engine.traits))
  const wanted: DesiredState = { ...desired, revision: to, scale: {}, paused: false }
  const { steps, fewestAvailable, replicas } = simulate({ specs, desired: wanted, ...seen }, clock.now())
  const secrets = Object.fromEntries((await memory.secrets(scope)).map(({ name, version }) => [name, version]))
  const { settings: app, commit, image } = intended
  const changes =
    from === null ? changedSettings(null, app) : changedSettings(from.settings, settleLike(app, from.settings))
  return {
    from,
    to,
    changes,
    isChanged: from === null || changes.length > 0 || isOther(from, intended, secrets),
    steps: [...preparation(app, to, intended.revision === null), ...steps],
    fewestAvailable: seen.observed.replicas.length === 0 ? null : fewestAvailable,
    replicas,
    fingerprint: fingerprint({ app, commit, image, secrets }, { desired, observed: seen.observed }, hash),
  }
}

/** Apart from the settings. An image's reference says nothing of its content: it counts as changed. */
function isOther(from: Release, { settings, commit, image, revision }: Intended, secrets: Release['secrets']): boolean {
  if (revision !== null) return revision !== from.revision
  return (
    image !== null ||
    commit !== from.source.commit ||
    settings.secrets.some(({ name }) => secrets[name] !== from.secrets[name])
  )
}

function preparation({ migrate }: App, revision: number, isNew: boolean): Step[] {
  const prepare: Step = { kind: 'prepare', revision, cause: 'before anything is touched' }
  if (migrate === null || !isNew) return [prepare]
  return [
    prepare,
    { kind: 'migrate', revision, cause: `once, before any replica is replaced: ${migrate.run.join(' ')}` },
  ]
}
