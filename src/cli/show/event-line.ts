import type { Event } from '../../model/event.ts'
import type { Step } from '../../model/step.ts'
import { bytesText, durationText } from './quantities.ts'

/** An event as a line for people, or null when it says nothing new to them. */
export function eventLine(event: Event): string | null {
  switch (event.kind) {
    case 'station':
      if (event.state === 'started') return null
      return `${event.station.padEnd(8)} ${shortened(event.note)} (${durationText(event.tookMs)})`
    case 'build':
      return `  ${event.stage} ${event.step}/${event.steps} ${event.instruction}${event.cached ? ' (cached)' : ''}`
    case 'push':
      return event.sentBytes === 0 ? null : `  pushed ${shortened(event.digest)} (${bytesText(event.sentBytes)})`
    case 'log':
      return `  ${event.from} | ${event.line}`
    case 'step':
      return event.step.kind === 'wait' ? null : `  ${stepText(event.step)}: ${event.step.cause}`
    case 'replica':
      return `  ${event.replica} ${event.change}${event.cut > 0 ? `, ${event.cut} connections cut` : ''}`
    case 'note':
      return `note: ${event.message}`
    case 'router':
    case 'progress':
    case 'failure':
    case 'end':
      return null
    default:
      return event satisfies never
  }
}

/** `start web-42-1`, `prepare r42`. */
function stepText(step: Step): string {
  if ('replica' in step) return `${step.kind} ${step.replica}`
  if ('host' in step) return `${step.kind} ${step.host}`
  return 'revision' in step ? `${step.kind} r${step.revision}` : step.kind
}

/** Digests inside a text, shortened. */
const shortened = (text: string): string => text.replaceAll(/(sha(?:256|512):[0-9a-f]{8})[0-9a-f]+/g, '$1…')
