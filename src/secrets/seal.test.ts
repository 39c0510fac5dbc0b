import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { open, type SealBinding, seal, sealingKey } from './seal.ts'

const key = sealingKey(Buffer.alloc(32, 1))
const other = sealingKey(Buffer.alloc(32, 2))
const binding: SealBinding = { app: 'shop', environment: 'prod', name: 'DB_PASSWORD', version: 3 }
const refused = expect.objectContaining({ code: 'SECRET_KEY_UNUSABLE' })

describe('a sealed secret', () => {
  it('opens to the same value, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (value) => {
        expect(open([key], binding, seal(key, binding, value, randomBytes))).toBe(value)
      }),
    )
  })

  it('names its key, and has the value nowhere', () => {
    const sealed = seal(key, binding, 'hunter2-hunter2', randomBytes)
    expect(sealed).toMatch(/^naru1\.[0-9a-f]{16}\.[\w-]{16}\.[\w-]+$/)
    expect(sealed.split('.')[1]).toBe(key.id)
    expect(sealed).not.toContain('hunter2')
  })

  it('is another text each time', () => {
    const texts = Array.from({ length: 50 }, () => seal(key, binding, 'same', randomBytes))
    expect(new Set(texts).size).toBe(50)
  })

  it.each([
    ['app', { ...binding, app: 'other' }],
    ['environment', { ...binding, environment: 'staging' }],
    ['name', { ...binding, name: 'DB_PASSWORD2' }],
    ['version', { ...binding, version: 4 }],
    ['parts moved between app and environment', { ...binding, app: 'shop","prod', environment: '' }],
  ])('does not open with another %s', (_what, elsewhere) => {
    const sealed = seal(key, binding, 'value', randomBytes)
    expect(() => open([key], elsewhere, sealed)).toThrow(refused)
  })

  it('opens with an old key of several, and not without it', () => {
    const sealed = seal(key, binding, 'value', randomBytes)
    expect(open([other, key], binding, sealed)).toBe('value')
    expect(() => open([other], binding, sealed)).toThrow(refused)
    expect(() => open([], binding, sealed)).toThrow(refused)
  })

  it('does not open when any character was changed', () => {
    const sealed = seal(key, binding, 'value', randomBytes)
    for (let at = 0; at < sealed.length - 1; at++) {
      const changed = sealed[at] === 'A' ? 'B' : 'A'
      expect(() => open([key], binding, sealed.slice(0, at) + changed + sealed.slice(at + 1))).toThrow(refused)
    }
  })

  it.each(['', 'naru1', 'naru1...', 'naru2.a.b.c', 'naru1.x.y.z', `naru1.${sealingKey(Buffer.alloc(32, 1)).id}..`])(
    'refuses %j',
    (text) => expect(() => open([key], binding, text)).toThrow(refused),
  )
})
