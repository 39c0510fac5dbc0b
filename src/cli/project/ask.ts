import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'

/** Asks for one of several names, on a terminal. */
export async function askOneOf(question: string, names: readonly string[], signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    while (true) {
      const answer = (await lines.question(`${question} (${names.join(', ')})? `, { signal })).trim()
      if (names.includes(answer)) return answer
    }
  } finally {
    lines.close()
  }
}

/** Asks for a line of text, on a terminal. */
export async function askLine(question: string, signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await lines.question(question, { signal })
  } finally {
    lines.close()
  }
}

/** Asks without showing what is typed. Ctrl-C reaches the process as a signal. */
export async function askHidden(question: string, signal: AbortSignal): Promise<string> {
  process.stderr.write(question)
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 })
  // In raw mode the terminal does not make a signal of Ctrl-C: the one who reads has to.
  lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  try {
    return await lines.question('', { signal })
  } finally {
    lines.close()
    process.stderr.write('\n')
  }
}
