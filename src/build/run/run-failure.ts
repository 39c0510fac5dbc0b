import { DeployError } from '../../model/failure.ts'
import { formatPlace } from '../dockerfile/place.ts'
import type { RunStep } from './run-step.ts'
import type { Ended } from '../sandbox/sandbox.ts'

/** BUILD_RUN_FAILED of an instruction RUN: its place, how it ended and what it said last. */
export function stepFailed(step: RunStep, ended: Ended, timeoutMs: number, last: readonly string[]): DeployError {
  const { code, killed, timedOut } = ended
  const { file, line, column } = step.place
  const end = timedOut
    ? `did not end within ${timeoutMs / 1000} s`
    : killed === null
      ? `ended with exit code ${code}`
      : `was killed by ${killed}`
  const said = last.length === 0 ? ' and said nothing' : `; its last lines:\n${last.join('\n')}`
  return new DeployError('BUILD_RUN_FAILED', `${formatPlace(step.place)}: ${step.text.slice(0, 200)}\n${end}${said}`, {
    hint: hintFor(code),
    detail: {
      ...{ file, line, column },
      ...(code === null ? {} : { exitCode: code }),
      ...(killed === null ? {} : { signal: killed }),
      // So many at the end of the message.
      lastLines: last.length,
    },
  })
}

/** 126 and 127 are a shell's, and env's, own codes. */
function hintFor(code: number | null): string {
  const nothing = 'Nothing was pushed or changed.'
  if (code === 127) return `${nothing} The image has no such program: images from scratch have no shell either.`
  if (code === 137) return `${nothing} It was killed, maybe for want of memory: see build.runLimits.memory.`
  if (code === 126) return `${nothing} The program is there and cannot be executed: its mode, or its architecture.`
  return `${nothing} All of its output is in the events.`
}
