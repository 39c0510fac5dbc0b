import { originText, type Setting } from '../../appfile/resolve/settings.ts'
import { columns } from './columns.ts'

/** Every setting with its value and where it came from: what `naru config` shows. */
export function settingsText(settings: readonly Setting[]): string[] {
  const rows = settings.map(({ key, value, origin }) => [key, valueText(value), originText(origin)])
  return columns(['key', 'value', 'from'], rows)
}

function valueText(value: Setting['value']): string {
  if (value === null) return '–'
  if (typeof value === 'object') return value.length === 0 ? '–' : `[${value.join(', ')}]`
  return String(value)
}
