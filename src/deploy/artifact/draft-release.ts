import type { App } from '../../model/app.ts'
import { DeployError } from '../../model/failure.ts'
import type { Release, SourceRevision } from '../../model/release.ts'
import type { Memory } from '../../memory/memory.ts'
import type { Artifact } from './workshop.ts'

/** The newest version of each secret that the app uses. Throws SECRETS_MISSING with all names that are not set. */
export async function pinSecrets(memory: Memory, app: App): Promise<Record<string, number>> {
  const set = new Map((await memory.secrets(app)).map(({ name, version }) => [name, version]))
  const missing = app.secrets.filter(({ name }) => !set.has(name)).map(({ name }) => name)
  if (missing.length > 0) {
    throw new DeployError(
      'SECRETS_MISSING',
      `${missing.length} of ${app.secrets.length} secrets are not set: ${missing.join(', ')}`,
      {
        hint: `Nothing was changed. Set ${missing.length === 1 ? 'it' : 'each'} with: naru secret set ${missing[0]} -e ${app.environment}`,
        detail: { missing: missing.join(',') },
      },
    )
  }
  return Object.fromEntries(app.secrets.map(({ name }) => [name, set.get(name) ?? 0]))
}

/** The immutable record of what will run, but for its number, which it gets under the lease. */
export async function draftRelease(
  memory: Memory,
  settings: App,
  made: Artifact,
  more: {
    readonly source: SourceRevision
    readonly variables: readonly string[]
    readonly by: string
    readonly nowMs: number
  },
): Promise<Omit<Release, 'revision'>> {
  const { app, environment } = settings
  const { source, variables, by, nowMs } = more
  const secrets = await pinSecrets(memory, settings)
  return { app, environment, ...made, source, settings, secrets, variables, createdAtMs: nowMs, createdBy: by }
}
