import { describe, expect, it } from 'vitest'
import type { Event } from '../model/event.ts'
import { systemClock } from '../os/system-clock.ts'
import { EventStream } from './event-stream.ts'

const scope = { app: 'shop', environment: 'local' }

/** A stream over events that are remembered in a list. */
function aStream(remembered: Event[], order: number): EventStream {
  const memory = {
    appendEvents: async (_operation: string, events: readonly Event[]) => {
      remembered.push(...events)
    },
  } as unknown as ConstructorParameters<typeof EventStream>[0]['memory']
  const past = [...remembered]
  return new EventStream({ scope, operation: 'op', memory, clock: systemClock, order, past, onEnd: () => {} })
}

const note = (message: string) => ({ kind: 'note', message }) as const
const END = { kind: 'end', revision: null, endState: null, exit: 9, digest: null, receipt: null } as const

async function told(stream: EventStream, afterId: number): Promise<string[]> {
  const found: string[] = []
  for await (const event of stream.follow(afterId, AbortSignal.timeout(5000)))
    found.push(event.kind === 'note' ? event.message : event.kind)
  return found
}

describe('EventStream', () => {
  it('goes on after any event, and ends after the end', async () => {
    const stream = aStream([], 1)
    for (const message of ['a', 'b', 'c']) stream.report(note(message))
    stream.report(END)
    stream.report(note('too late'))
    expect(await told(stream, 0)).toEqual(['a', 'b', 'c', 'end'])
    expect(await told(stream, 2)).toEqual(['c', 'end'])
    expect(await told(stream, 4)).toEqual([])
  })

  it('tells whoever saw events that died with their server all that comes after them', async () => {
    const remembered: Event[] = []
    const before = aStream(remembered, 1)
    before.report(note('durable'))
    await before.flush()
    for (const message of ['lost with', 'the server', 'and more']) before.report(note(message))
    const lastSeen = before.events.at(-1)?.id ?? 0
    const after = aStream(remembered.slice(0, 1), 0)
    after.report(note('it goes on'))
    after.report(END)
    expect(await told(after, lastSeen)).toEqual(['it goes on', 'end'])
    expect(await told(after, 1)).toEqual(['it goes on', 'end'])
    expect(await told(after, 0)).toEqual(['durable', 'it goes on', 'end'])
  })

  it('goes on saving after a save that failed', async () => {
    const remembered: Event[] = []
    let isFull = true
    const memory = {
      appendEvents: async (_operation: string, events: readonly Event[]) => {
        if (isFull) throw new Error('no space')
        remembered.push(...events)
      },
    } as unknown as ConstructorParameters<typeof EventStream>[0]['memory']
    const stream = new EventStream({
      scope,
      operation: 'op',
      memory,
      clock: systemClock,
      order: 1,
      past: [],
      onEnd: () => {},
    })
    stream.report(note('a'))
    await expect(stream.flush()).rejects.toThrow('no space')
    isFull = false
    stream.report(note('b'))
    await stream.flush()
    expect(remembered).toHaveLength(2)
  })
})
