import { createColors } from 'picocolors'

/** Colours by what they mean. */
export interface Paint {
  readonly strong: (text: string) => string
  readonly good: (text: string) => string
  readonly bad: (text: string) => string
  readonly warn: (text: string) => string
  readonly dim: (text: string) => string
}

const asIs = (text: string): string => text

/** No colours: for pipes, files and tests. */
export const PLAIN: Paint = { strong: asIs, good: asIs, bad: asIs, warn: asIs, dim: asIs }

/** Colours of a terminal, or none. */
export function paintFor(isColourful: boolean): Paint {
  if (!isColourful) return PLAIN
  const { bold, green, red, yellow, dim } = createColors(true)
  return { strong: bold, good: green, bad: red, warn: yellow, dim }
}
