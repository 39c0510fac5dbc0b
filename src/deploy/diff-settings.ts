import type { App } from '../model/app.ts'

/** How many settings are new or different, and how many are gone: leaves of the resolved settings, source and image aside (these have lines of their own). */
export function diffSettings(from: App | null, to: App): { added: number; removed: number } {
  if (from === null) return { added: 0, removed: 0 }
  const before = leaves(from)
  const after = leaves(to)
  const added = [...after].filter(([path, value]) => before.get(path) !== value).length
  const removed = [...before.keys()].filter((path) => !after.has(path)).length
  return { added, removed }
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
