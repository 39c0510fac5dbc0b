/** A JSON object as it was written. */
export type Manifest = Readonly<Record<string, unknown>>

/** A JSON object, or null where the text is none. */
export function parseJson(text: string): Manifest | null {
  try {
    return asRecord(JSON.parse(text))
  } catch {
    return null
  }
}

export const asRecord = (value: unknown): Manifest | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Manifest) : null
