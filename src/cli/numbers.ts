import { InvalidArgumentError } from 'commander'

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
