import type { IncomingMessage, ServerResponse } from 'node:http'
import { failureReport } from '../../model/failure.ts'
import type { KeepingReport, KeepingRequest } from '../../model/registry-keeping.ts'
import { type Keeping, keepRegistry } from '../keeping/keep-registry.ts'

/** Where a registry that serves is asked for collections and scrubs; on its unix socket only. */
export const KEEPING_PATH = '/keeping'

/** A request is a few lines; whoever sends more is not one of our commands. */
const MOST_BYTES = 64 * 1024

/** Does what a POST asks for and tells how far it is, each report a line of JSON; the last one is the answer. It ends when the client goes. */
export async function answerKeeping(keeping: Keeping, request: IncomingMessage, response: ServerResponse) {
  const gone = new AbortController()
  response.once('close', () => gone.abort(new Error('the client has gone')))
  const tell = (report: KeepingReport) => void response.write(`${JSON.stringify(report)}\n`)
  try {
    const asked = await readRequest(request)
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
    tell(await keepRegistry(keeping, asked, tell, gone.signal))
  } catch (failed) {
    if (response.destroyed) return
    const { code, message, hint } = failureReport(failed as Error)
    tell({ kind: 'failed', code, message, hint })
  }
  response.end()
}

async function readRequest(request: IncomingMessage): Promise<KeepingRequest> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of request as AsyncIterable<Buffer>) {
    size += piece.length
    if (size > MOST_BYTES) throw new Error('the request is too long')
    pieces.push(piece)
  }
  return JSON.parse(Buffer.concat(pieces).toString('utf8')) as KeepingRequest
}
