import { isAlive, type ProcessIdentity } from '../../../../os/process-identity.ts'

/** How a process ended, as its parent knows it; `known` false: it was no child of ours. */
export interface Ending {
  readonly known: boolean
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A running process of ours, by birth or by adoption. */
export interface KeptProcess {
  readonly identity: ProcessIdentity
  readonly ended: Promise<Ending>
}

const ADOPTED_POLL_MS = 100

/**
 * Watches a process that is not our child. The kernel has no event for that in reach of Node, so it is looked at; it costs one
 * small read each time.
 */
export function adoptProcess(identity: ProcessIdentity): KeptProcess {
  const ended = new Promise<Ending>((resolve) => {
    const look = () => {
      if (isAlive(identity)) return
      clearInterval(timer)
      resolve({ known: false, code: null, signal: null })
    }
    const timer = setInterval(look, ADOPTED_POLL_MS)
    look()
  })
  return { identity, ended }
}
