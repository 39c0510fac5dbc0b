/** A JSON object, or null where the text is none. */
export function parseJson(text: string): Readonly<Record<string, unknown>> | null {
  try {
    return asRecord(JSON.parse(text))
  } catch {
    return null
  }
}

export const asRecord = (value: unknown): Readonly<Record<string, unknown>> | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : null
