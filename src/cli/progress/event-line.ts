import type { Event } from '../../model/event.ts'
import type { Step } from '../../model/step.ts'
import { buildLine, logLine } from './build-line.ts'
import { bytesText, durationText } from '../show/quantities.ts'

/** Steps that the lines beside them tell already. */
const TOLD_BY_OTHERS: readonly Step['kind'][] = ['wait', 'prepare', 'migrate', 'remove']

/** An event as a line for people, or null when it says nothing new to them. `verbose`: every step of a rollout. */
export function eventLine(event: Event, verbose = false): string | null {
  switch (event.kind) {
    case 'station':
      return stationLine(event)
    case 'build':
      return buildLine(event)
    case 'image':
      return settledImageLine(event)
    case 'push':
      return event.sentBytes === 0 ? null : `  stored   ${shortened(event.digest)} (${bytesText(event.sentBytes)})`
    case 'log':
      return logLine(event)
    case 'step':
      return verbose || !TOLD_BY_OTHERS.includes(event.step.kind) ? stepLine(event.step) : null
    case 'replica':
      return `  ${event.replica} ${event.change}${cutText(event.cut)}`
    case 'note':
      return `note: ${shortened(event.message)}`
    case 'router':
    case 'progress':
    case 'failure':
    case 'end':
      return null
    default:
      return event satisfies never
  }
}

const cutText = (cut: number): string => (cut === 0 ? '' : `, ${cut} connection${cut === 1 ? '' : 's'} cut`)

function stationLine(event: Extract<Event, { kind: 'station' }>): string | null {
  const line = `${event.station.padEnd(8)} ${shortened(event.note)}`
  if (event.state === 'finished') return `${line} (${durationText(event.tookMs)})`
  return event.station === 'rollout' ? line : null
}

/** `  from     docker.io/library/node:24 sha256:1a2b3c4d… (pulled 120 MB)`. */
export function imageLine(event: Extract<Event, { kind: 'image' }>): string {
  return `  from     ${event.name} ${shortened(event.digest)} (${howFar(event)})`
}

const settledImageLine = (event: Extract<Event, { kind: 'image' }>): string | null =>
  event.state === 'moving' ? null : imageLine(event)

function howFar({ state, source, receivedBytes, missingBytes }: Extract<Event, { kind: 'image' }>): string {
  if (state === 'found') return `pulling ${bytesText(missingBytes)}`
  if (state === 'moving') return `${bytesText(receivedBytes)} of ${bytesText(missingBytes)}`
  if (source === 'embedded') return 'embedded registry'
  return missingBytes === 0 ? 'here already' : `pulled ${bytesText(missingBytes)}`
}

/** `  start    web-42-1: 1 of 3 of revision 42 missing`. */
export const stepLine = (step: Step): string => `  ${step.kind.padEnd(8)} ${stepObject(step)}: ${step.cause}`

function stepObject(step: Step): string {
  if ('replica' in step) return step.replica
  if ('host' in step) return step.host
  return 'revision' in step ? `r${step.revision}` : ''
}

/** Digests and commits inside a text, shortened. */
const shortened = (text: string): string =>
  text
    .replaceAll(/(sha(?:256|512):[0-9a-f]{8})[0-9a-f]{56,}/g, '$1…')
    .replaceAll(/\b([0-9a-f]{7})[0-9a-f]{33}\b/g, '$1')
