import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { redactor } from './redact.ts'

const secret = 'p@ss w/rd+"1"=ünï'
const redact = redactor([secret])

describe('the redactor', () => {
  it.each([
    ['as it is', `password: ${secret}!`],
    ['in JSON', JSON.stringify({ password: secret })],
    ['as base64', Buffer.from(secret).toString('base64')],
    ['as base64url', Buffer.from(secret).toString('base64url')],
    ['in Basic credentials', `Authorization: Basic ${Buffer.from(`kim:${secret}`).toString('base64')}`],
    ['in other Basic credentials', `Authorization: Basic ${Buffer.from(`lee1:${secret}\n`).toString('base64')}`],
    ['URL-encoded', `https://kim:${encodeURIComponent(secret)}@host/`],
    ['URL-encoded in lower case', encodeURIComponent(secret).toLowerCase()],
    ['form-encoded', new URLSearchParams({ password: secret }).toString()],
    ['as hex', Buffer.from(secret).toString('hex')],
    ['twice', `${secret} ${secret}`],
  ])('takes out a value %s', (_name, text) => {
    const clean = redact(text)
    expect(clean).toContain('[redacted]')
    expect(clean).not.toContain('w/rd')
    expect(clean).not.toContain(Buffer.from(secret).toString('base64').slice(4, 16))
  })

  it('takes out each line of a value with several lines', () => {
    const pem = '-----BEGIN KEY-----\nMIIEvQIBADANBgkq\r\nhkiG9w0BAQEFAASC\n-----END KEY-----\n'
    const clean = redactor([pem])('log: MIIEvQIBADANBgkq\nlog: hkiG9w0BAQEFAASC')
    expect(clean).toBe('log: [redacted]\nlog: [redacted]')
  })

  it('takes out the longer one of two values of which one begins the other', () => {
    expect(redactor(['token', 'token-and-more'])('a token-and-more b token')).toBe('a [redacted] b [redacted]')
  })

  it('leaves text without a secret as it is, also with signs of regular expressions in the value', () => {
    expect(redactor(['a.*b+c'])('axxb')).toBe('axxb')
    expect(redactor(['a.*b+c'])('x a.*b+c y')).toBe('x [redacted] y')
    expect(redactor([])('text')).toBe('text')
  })

  it('does not blot out text for a value of less than four characters', () => {
    expect(redactor(['', '1', 'abc'])('1 abc 123')).toBe('1 abc 123')
  })

  it('leaves no secret in any text, in any of the forms', () => {
    const value = fc.string({ unit: 'grapheme', minLength: 4, maxLength: 40 }).filter((text) => text.trim().length >= 4)
    fc.assert(
      fc.property(value, fc.string(), fc.string({ maxLength: 9 }), (hidden, before, after) => {
        const clean = redactor([hidden])
        expect(clean(`${before}\u0000${hidden}\u0000${after}`)).not.toContain(`\u0000${hidden}\u0000`)
        const encoded = Buffer.from(`\u0000${hidden}\u0000`).toString('base64')
        if (Buffer.byteLength(hidden) >= 9) expect(clean(encoded)).not.toBe(encoded)
      }),
    )
  })
})
