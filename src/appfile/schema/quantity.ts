/** A text as an amount, or what was expected in its place. */
export type Quantity = { readonly amount: number } | { readonly wrong: string; readonly hint: string }

const DECIMAL = /^(\d{1,12}(?:\.\d{1,9})?|\.\d{1,9})([A-Za-z]{0,5})$/

// The suffixes of Kubernetes' resource quantities that make sense for memory.
const MEMORY_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
}
const LEAST_MEMORY = 2 ** 20

/** `500m`, `0.5`, `2` → thousandths of a core. */
export function parseCpu(written: string | number): Quantity {
  const [, digits = '', unit = ''] = DECIMAL.exec(String(written)) ?? []
  const milli = Number(digits) * (unit === 'm' ? 1 : 1000)
  if (digits !== '' && (unit === '' || unit === 'm') && milli >= 1 && milli <= 1_000_000)
    return { amount: Math.round(milli) }
  return { wrong: 'cores from 1m to 1000', hint: 'Write thousandths such as 500m, or cores such as 0.5 or 2.' }
}

/** `512Mi`, `1.5Gi`, `512M`, bytes → bytes. `512m`, which Kubernetes reads as half a byte, is refused. */
export function parseMemory(written: string | number): Quantity {
  const [, digits = '', unit = ''] = DECIMAL.exec(String(written)) ?? []
  const factor = Object.hasOwn(MEMORY_UNITS, unit) ? MEMORY_UNITS[unit] : undefined
  const amount = Math.round(Number(digits) * (factor ?? Number.NaN))
  if (digits !== '' && amount >= LEAST_MEMORY && amount <= Number.MAX_SAFE_INTEGER) return { amount }
  const letter = /^[kmgt]/i.test(unit) ? unit.charAt(0).toUpperCase() : 'M'
  return {
    wrong: 'an amount of memory of at least 1Mi',
    hint: digits === '' ? 'Write it as 512Mi or 1Gi.' : `Did you mean ${digits}${letter}i?`,
  }
}
