import type { IncomingMessage } from 'node:http'
import { connectionFailure, stalled } from '../failures.ts'

/**
 * As `readAll`, of a host that has answered: what breaks off before its end, or is not there after `limitMs` however much it
 * moves, is Transient.
 */
export async function readBody(
  host: string,
  answer: IncomingMessage,
  { maxBytes, limitMs }: { readonly maxBytes: number; readonly limitMs: number },
): Promise<Uint8Array> {
  const timer = setTimeout(() => answer.destroy(stalled()), limitMs)
  try {
    return await readAll(answer, maxBytes)
  } catch (failed) {
    throw connectionFailure(host, failed, true)
  } finally {
    clearTimeout(timer)
  }
}

/** The body of an answer, at most `maxBytes`; what is longer is cut off there and its connection is closed. */
export async function readAll(answer: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of answer as AsyncIterable<Buffer>) {
    size += piece.length
    pieces.push(piece)
    if (size > maxBytes) {
      answer.destroy()
      break
    }
  }
  return Buffer.concat(pieces)
}

/** What a registry says about a failure (`{errors:[{code,message}]}`): cleaned and cut, so that it can be printed. */
export async function readErrors(answer: IncomingMessage): Promise<{ codes: readonly string[]; message: string }> {
  const body = Buffer.from(await readAll(answer, 65_536).catch(() => new Uint8Array())).toString('utf8')
  let errors: readonly { code?: unknown; message?: unknown }[] = []
  try {
    const parsed = JSON.parse(body) as { errors?: unknown }
    if (Array.isArray(parsed?.errors))
      errors = parsed.errors.filter((error) => typeof error === 'object' && error !== null)
  } catch {
    return { codes: [], message: '' }
  }
  const texts = errors.map(({ code, message }) => `${String(code ?? '')} ${String(message ?? '')}`.trim())
  // \p{Cc}: control characters, which could move the cursor of the terminal that prints this.
  const message = texts
    .join('; ')
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, 300)
  return { codes: errors.map(({ code }) => String(code ?? '')), message }
}
