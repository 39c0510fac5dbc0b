import { describe, expect, it } from 'vitest'
import { Intents } from './intents.ts'

describe('Intents', () => {
  it('carries out one after the other, also what is asked meanwhile', async () => {
    const intents = new Intents()
    const order: string[] = []
    const first = intents.add(async () => {
      order.push('first')
      void intents.add(async () => order.push('asked meanwhile'))
      return 1
    })
    const second = intents.add(async () => order.push('second'))
    await intents.carryOut()
    expect(await first).toBe(1)
    await second
    expect(order).toEqual(['first', 'second', 'asked meanwhile'])
  })

  it('answers with what an intent threw, and goes on', async () => {
    const intents = new Intents()
    const bad = intents.add(() => Promise.reject(new Error('no')))
    const good = intents.add(async () => 'yes')
    const rejected = expect(bad).rejects.toThrow('no')
    await intents.carryOut()
    await rejected
    expect(await good).toBe('yes')
  })

  it('lets nobody wait for ever once it is closed', async () => {
    const intents = new Intents()
    const waiting = expect(intents.add(async () => 1)).rejects.toThrow('the server is ending')
    intents.close(new Error('the server is ending'))
    await waiting
    await expect(intents.add(async () => 2)).rejects.toThrow('the server is ending')
  })
})
