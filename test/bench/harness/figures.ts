import { cpus, loadavg } from 'node:os'

/** One figure of the issue, as it was measured. */
export interface Figure {
  readonly name: string
  readonly target: string
  readonly value: string
  readonly n: number
  readonly reached: boolean
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The value at or below which this part of all values is. NaN without a value. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * part
  const [low, high] = [sorted[Math.floor(at)] ?? Number.NaN, sorted[Math.ceil(at)] ?? Number.NaN]
  return low + (high - low) * (at - Math.floor(at))
}

export const round = (value: number, digits = 0): number => Number(value.toFixed(digits))

/** What a measurement was made on, and how busy it was at its end. */
export const machine = () => ({
  cores: cpus().length,
  model: cpus()[0]?.model.trim() ?? '',
  node: process.version,
  load: loadavg().map((value) => round(value, 1)),
})

/** Prints what people read, and then one line of JSON for programs. */
export function printFigures(kind: string, figures: readonly Figure[], more: object = {}): void {
  console.table(
    figures.map(({ name, target, value, n, reached }) => ({
      figure: name,
      target,
      value,
      n,
      reached: reached ? 'yes' : 'NO',
    })),
  )
  console.log(JSON.stringify({ kind, machine: machine(), figures, ...more }))
}
