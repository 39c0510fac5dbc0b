import type { App } from '../model/app.ts'
import type { Resized } from '../model/receipt.ts'
import type { Release, SourceRevision } from '../model/release.ts'
import type { DesiredState } from '../model/rollout.ts'
import { resizedRoles, wantedReplicas } from '../plan/wanted-replicas.ts'
import { changedSettings, type SettingChange } from './receipt/diff-settings.ts'
import { settleLike } from './settle-like.ts'

/** Which commit; null: none, an image was given. */
export type Commit = Pick<SourceRevision, 'commit' | 'subject'>

/** What a deploy is about to fix, before an artifact exists. */
export interface Intended {
  readonly settings: App
  readonly source: Commit
  /** The image that is deployed as it is, as NAME@DIGEST; null: one that is built from the commit, or that of `release`. */
  readonly image: string | null
  /** An existing release that is deployed again; null: a new one. */
  readonly release: Release | null
}

/** A secret of which another version would be used; null: it is not used. */
export interface SecretChange {
  readonly name: string
  readonly from: number | null
  readonly to: number | null
}

/** An image before and after. `from`: its digest. `to`: a digest, a reference, or null: it is built from the commit. */
export interface ImageChange {
  readonly from: string
  readonly to: string | null
}

/** In what a release would differ from the one that should run now, each thing by name. */
export interface ReleaseChanges {
  readonly source: { readonly from: Commit; readonly to: Commit } | null
  readonly image: ImageChange | null
  readonly settings: readonly SettingChange[]
  readonly secrets: readonly SecretChange[]
  /** Roles of which another number would be wanted: by the file, or because `naru scale` is forgotten. */
  readonly replicas: readonly Resized[]
}

/** `scale`: what `naru scale` said of `from`; `secrets`: the newest versions. */
export function releaseChanges(
  from: Release,
  scale: DesiredState['scale'],
  intended: Intended,
  secrets: Readonly<Record<string, number>>,
): ReleaseChanges {
  const { settings, source, release } = intended
  const used = release?.secrets ?? Object.fromEntries(settings.secrets.map(({ name }) => [name, secrets[name] ?? 0]))
  const isOtherCommit = source.commit !== from.source.commit
  return {
    source: isOtherCommit ? { from: from.source, to: source } : null,
    image: imageChange(from, intended, isOtherCommit),
    settings: changedSettings(from.settings, settleLike(settings, from.settings)),
    secrets: secretChanges(from.secrets, used),
    replicas: resizedRoles(wantedReplicas(from.settings, scale), wantedReplicas(settings, {})),
  }
}

/** Whether anything is in it. */
export const hasChanges = ({ source, image, settings, secrets, replicas }: ReleaseChanges): boolean =>
  source !== null || image !== null || settings.length + secrets.length + replicas.length > 0

/** An image that is given is pinned by its digest. The same commit gives the same image. */
function imageChange(from: Release, { image, release }: Intended, isOtherCommit: boolean): ImageChange | null {
  const { digest } = from.artifact
  const to = release?.artifact.digest ?? image
  if (to === null) return isOtherCommit ? { from: digest, to } : null
  return to === digest || to.endsWith(`@${digest}`) ? null : { from: digest, to }
}

function secretChanges(from: Release['secrets'], to: Release['secrets']): readonly SecretChange[] {
  return [...new Set([...Object.keys(from), ...Object.keys(to)])]
    .sort()
    .map((name) => ({ name, from: from[name] ?? null, to: to[name] ?? null }))
    .filter((change) => change.from !== change.to)
}
