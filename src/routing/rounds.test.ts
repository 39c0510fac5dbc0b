import { describe, expect, it } from 'vitest'
import { Rounds } from './rounds.ts'

/** Rounds that end when they are told to. */
function manual() {
  const started: PromiseWithResolvers<number>[] = []
  const rounds = new Rounds(() => {
    const round = Promise.withResolvers<number>()
    started.push(round)
    return round.promise
  })
  return { rounds, started }
}

describe('Rounds', () => {
  it('gives who asks meanwhile one round together, that begins after they asked', async () => {
    const { rounds, started } = manual()
    const first = rounds.run()
    const [second, third] = [rounds.run(), rounds.run()]
    expect(started).toHaveLength(1)
    started[0]?.resolve(1)
    expect(await first).toBe(1)
    await expect.poll(() => started.length).toBe(2)
    started[1]?.resolve(2)
    expect(await Promise.all([second, third])).toEqual([2, 2])
    expect(rounds.running).toBeNull()
  })

  it('goes on after a round that failed', async () => {
    const { rounds, started } = manual()
    const [failing, next] = [rounds.run(), rounds.run()]
    started[0]?.reject(new Error('no'))
    await expect(failing).rejects.toThrow('no')
    await expect.poll(() => started.length).toBe(2)
    started[1]?.resolve(2)
    expect(await next).toBe(2)
  })
})
