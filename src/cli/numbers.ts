import { InvalidArgumentError } from 'commander'
import { parseCpu, parseMemory, type Quantity } from '../appfile/schema/quantity.ts'

/** `42` or `r42`. */
export function revisionNumber(text: string): number {
  const [, digits] = /^r?([1-9]\d{0,8})$/.exec(text) ?? []
  if (digits !== undefined) return Number(digits)
  throw new InvalidArgumentError('Write a revision number, such as 42 (naru history shows them).')
}

/** `12` or `r-12`. */
export function rolloutNumber(text: string): number {
  const [, digits] = /^(?:r-)?([1-9]\d{0,8})$/.exec(text) ?? []
  if (digits !== undefined) return Number(digits)
  throw new InvalidArgumentError('Write a rollout of the history, such as r-12.')
}

/** How many lines of a list. */
export function countOf(text: string): number {
  if (/^[1-9]\d{0,2}$/.test(text) || text === '1000') return Number(text)
  throw new InvalidArgumentError('Write a number from 1 to 1000.')
}

/** `512Mi`, `2Gi` → bytes, as in naru.yaml. */
export const memoryBytes = (text: string): number => amountOf(parseMemory(text))
/** `500m`, `1.5` → thousandths of a core, as in naru.yaml. */
export const cpuMilli = (text: string): number => amountOf(parseCpu(text))

function amountOf(parsed: Quantity): number {
  if ('amount' in parsed) return parsed.amount
  throw new InvalidArgumentError(`It must be ${parsed.wrong}. ${parsed.hint}`)
}

/** How long one RUN may take. */
export function runSeconds(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text) && Number(text) <= 86_400) return Number(text)
  throw new InvalidArgumentError('Write seconds from 1 to 86400.')
}
