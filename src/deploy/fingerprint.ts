import { canonicalJson } from '../lib/canonical-json.ts'
import type { App } from '../model/app.ts'
import type { Observed } from '../model/observed.ts'
import type { DesiredState } from '../model/rollout.ts'

/** What a saved plan fixes: the release's inputs, and what was observed. `deploy --plan` refuses when either differs. */
export interface Fingerprint {
  readonly inputs: string
  readonly observed: string
}

/** `hash` turns a text into a short name of its content; passed in because deploy does no I/O of its own. */
export function fingerprint(
  inputs: {
    readonly app: App
    readonly commit: string | null
    readonly image: string | null
    readonly secrets: object
  },
  seen: { readonly desired: DesiredState; readonly observed: Observed },
  hash: (text: string) => string,
): Fingerprint {
  const replicas = seen.observed.replicas
    .map(({ id, phase, ready }) => ({ id, phase, ready }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
  return { inputs: hash(canonicalJson(inputs)), observed: hash(canonicalJson({ desired: seen.desired, replicas })) }
}
