import { existsSync } from 'node:fs'
import type { ServerBody } from '../../api/responses.ts'
import { DeployError } from '../../model/failure.ts'
import { goneWithin } from '../../os/gone-within.ts'
import { identify, signalProcess } from '../../os/process-identity.ts'
import { ApiClient } from '../api-client.ts'
import type { Session } from '../session.ts'

/** A server finishes its step before it ends; replicas get their own grace. */
const END_MS = 60_000
const GRACE_MS = 10_000

/** `naru server --end`: ends the server of a data folder. `all`: replicas, router and keeper too. */
export async function endServer(session: Session, folder: string, all: boolean): Promise<void> {
  const { host, output } = session
  const socket = await host.runningServer(folder)
  if (socket !== null) await endProcess(session, folder, socket)
  const isThere = existsSync(folder)
  if (all && isThere)
    await host.endFolder(folder, GRACE_MS, AbortSignal.any([session.signal, AbortSignal.timeout(END_MS)]))
  if (output.json) return output.object({ kind: 'ended', folder, server: socket !== null, all })
  if (!isThere) {
    output.data(`there is no data folder ${folder}: nothing was ended`)
    return output.tell(`If it was deleted while something ran from it, that still runs: pgrep -af ${folder}`)
  }
  if (all) return output.data(`nothing of ${folder} runs any more`)
  output.data(
    socket === null ? `no server of ${folder} runs` : `the server of ${folder} has ended; replicas and router go on`,
  )
}

async function endProcess({ signal, clock }: Session, folder: string, socket: string): Promise<void> {
  const { pid } = await new ApiClient({ kind: 'socket', path: socket }).get<ServerBody>('/v1/server', signal)
  const server = identify(pid)
  if (server === null) return
  signalProcess(server, 'SIGTERM')
  if (await goneWithin(server, END_MS, clock, signal)) return
  throw new DeployError(
    'TIMED_OUT',
    `the server of ${folder} (process ${pid}) has not ended after ${END_MS / 1000} s`,
    {
      hint: `See why in its log: ${folder}/server.log. Nothing is lost when it is killed: kill -9 ${pid}.`,
      detail: { pid },
    },
  )
}
