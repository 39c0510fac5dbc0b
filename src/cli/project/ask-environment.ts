import { createInterface } from 'node:readline/promises'
import type { Session } from '../session.ts'

/** Asks for one of several environments, on a terminal. */
export async function askEnvironment({ stdin, signal }: Session, names: readonly string[]): Promise<string> {
  const lines = createInterface({ input: stdin, output: process.stderr })
  try {
    while (true) {
      const answer = (await lines.question(`environment (${names.join(', ')})? `, { signal })).trim()
      if (names.includes(answer)) return answer
    }
  } finally {
    lines.close()
  }
}
