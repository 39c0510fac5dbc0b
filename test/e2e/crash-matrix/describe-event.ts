import type { Event } from '../../../src/model/event.ts'

/** An event as a point at which something can be killed: `step start`, `station build started`, `replica ready`. */
export function describeEvent(event: Event): string {
  switch (event.kind) {
    case 'station':
      return `station ${event.station} ${event.state}`
    case 'step':
      return `step ${event.step.kind}`
    case 'replica':
      return `replica ${event.change}`
    case 'router':
      return `router ${event.at}`
    case 'note':
      return `note ${event.message.slice(0, 30)}`
    case 'build':
      return `build ${event.instruction.slice(0, 20)}`
    default:
      return event.kind
  }
}
