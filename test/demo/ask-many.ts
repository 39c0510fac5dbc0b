import { request } from 'node:http'

/** Sends requests one after another, each on a connection of its own, and counts the texts of the answers; a failure is counted under its code. */
export async function askMany(url: string, count: number, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
  const answers = new Map<string, number>()
  for (let sent = 0; sent < count; sent++) {
    const text = await ask(url, signal)
    answers.set(text, (answers.get(text) ?? 0) + 1)
  }
  return answers
}

function ask(url: string, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted()
  return new Promise((resolve) => {
    const asked = request(url, { agent: false, timeout: 10_000, signal }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve(text.trim()))
      response.on('error', (failed) => resolve(failed.message))
    })
    asked.on('timeout', () => asked.destroy(new Error('timeout')))
    asked.on('error', (failed: NodeJS.ErrnoException) => resolve(failed.code ?? failed.message))
    asked.end()
  })
}
