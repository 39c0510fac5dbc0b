import type { Exit } from '../../../../model/observed.ts'
import type { Launch } from '../../launch.ts'
import type { Ending } from './kept-process.ts'

const LOG_LINES = 20

/** What is known when a process is gone. */
export interface Departure {
  readonly launch: Launch
  /** How it ended; or the errno name with which its start failed. */
  readonly ending: Ending | { readonly startError: string }
  readonly atMs: number
  readonly outOfMemory: boolean
  readonly logTail: readonly string[]
  readonly cut: number
}

/** The record of an end, with the reason why the program could not be started where that is what happened. */
export function exitReport({ launch, ending, atMs, outOfMemory, logTail, cut }: Departure): Exit {
  const tail = logTail.slice(-LOG_LINES)
  if ('startError' in ending) {
    const startFailure = failureOfError(ending.startError)
    return { known: true, code: null, signal: null, atMs, outOfMemory, startFailure, logTail: tail, cut }
  }
  const { known, code, signal } = ending
  return {
    known,
    code,
    signal,
    atMs,
    outOfMemory,
    startFailure: failureOfWrapper(launch, code, tail),
    logTail: tail,
    cut,
  }
}

type StartFailure = Exit['startFailure']

function failureOfError(code: string): StartFailure {
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'program-not-found'
  if (code === 'EACCES' || code === 'EPERM') return 'not-executable'
  // The kernel has no loader for the file: another machine's program, or none at all.
  return code === 'ENOEXEC' ? 'wrong-architecture' : 'other'
}

/**
 * `unshare`, `chroot` and `setpriv` end with 127 when the program is not there and with 126 when it cannot be executed, and
 * say so under their own name. A program in the image may use these codes too (a shell does), so the name is what counts.
 */
function failureOfWrapper(launch: Launch, code: number | null, tail: readonly string[]): StartFailure {
  if (code !== 126 && code !== 127 && code !== 1) return null
  const said = tail.find((line) => /^(unshare|chroot|setpriv|nsenter|env): .*(execute|run command)/.test(line))
  if (said === undefined || launch.args.length === 0) return null
  if (said.includes('No such file')) return 'program-not-found'
  if (said.includes('Exec format error')) return 'wrong-architecture'
  return said.includes('Permission denied') ? 'not-executable' : 'other'
}
