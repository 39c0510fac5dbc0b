import type { App } from '../../model/app.ts'
import { type Written, writtenSettings } from './written-settings.ts'

/** One key of naru.yaml that differs; null: it is not there. Values as JSON, which is YAML. */
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

/** The settings that differ, in the file's words and sorted by path; where one came or went as a whole, it is one change. */
export function changedSettings(from: App | null, to: App): SettingChange[] {
  const changes = diff('', from === null ? {} : writtenSettings(from), writtenSettings(to))
  return changes.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** Maps are compared key by key; a list is one value, because its items mean little alone. */
function diff(path: string, from: Written, to: Written): SettingChange[] {
  if (JSON.stringify(from) === JSON.stringify(to)) return []
  if (!isMap(from) || !isMap(to)) {
    const change = { path, from: textOf(from), to: textOf(to) }
    return change.from === change.to ? [] : [change]
  }
  return [...new Set([...Object.keys(from), ...Object.keys(to)])].flatMap((key) =>
    diff(path === '' ? key : `${path}.${key}`, from[key] ?? null, to[key] ?? null),
  )
}

type WrittenMap = { readonly [key: string]: Written }

const isMap = (value: Written): value is WrittenMap =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** As it would be written: keys without a value, and lists and maps of nothing, are not. */
function textOf(value: Written): string | null {
  if (value === null || (typeof value === 'object' && Object.keys(value).length === 0)) return null
  return JSON.stringify(value, (_key, inner: unknown) => inner ?? undefined)
}
