import type { App } from '../../model/app.ts'

/** One setting that differs; null: it is not there. Values as JSON. */
export interface SettingChange {
  readonly path: string
  readonly from: string | null
  readonly to: string | null
}

/** How many settings are new or different, and how many are gone. */
export function diffSettings(from: App | null, to: App): { added: number; removed: number } {
  if (from === null) return { added: 0, removed: 0 }
  const changes = changedSettings(from, to)
  const removed = changes.filter((change) => change.to === null).length
  return { added: changes.length - removed, removed }
}

/** The resolved settings that differ, sorted by path; source and image aside, which have lines of their own. */
export function changedSettings(from: App | null, to: App): SettingChange[] {
  const before = from === null ? new Map<string, string>() : leaves(from)
  const after = leaves(to)
  return [...new Set([...before.keys(), ...after.keys()])]
    .sort()
    .map((path) => ({ path, from: before.get(path) ?? null, to: after.get(path) ?? null }))
    .filter((change) => change.from !== change.to)
}

/** `rollout.maxSurge` → `"25%"`. Items of a list count by their place; roles by their name. */
function leaves(app: App): Map<string, string> {
  const { source: _source, ...settings } = app
  const found = new Map<string, string>()
  const walk = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) {
      found.set(path, JSON.stringify(value))
      return
    }
    for (const [key, inner] of Object.entries(value)) walk(inner, path === '' ? key : `${path}.${key}`)
  }
  walk({ ...settings, roles: Object.fromEntries(app.roles.map((role) => [role.name, role])) }, '')
  return found
}
