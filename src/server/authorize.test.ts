import { describe, expect, it } from 'vitest'
import { carriesToken } from './authorize.ts'

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
const asked = (authorization?: string) => ({ headers: authorization === undefined ? {} : { authorization } })

describe('carriesToken', () => {
  it.each<[string, string | undefined, boolean]>([
    ['a bearer token', 'Bearer s3cret', true],
    ['the scheme in another case', 'bearer s3cret', true],
    ['the token as the password of a registry client', basic('kim:s3cret'), true],
    ['a password with a colon', basic('kim:s3:cret'), false],
    ['nothing', undefined, false],
    ['an empty token', 'Bearer ', false],
    ['another token', 'Bearer s3cret2', false],
    ['a part of the token', 'Bearer s3cre', false],
    ['the token as the name', basic('s3cret:'), false],
    ['no base64 at all', 'Basic %%%', false],
  ])('%s', (_name, authorization, expected) => {
    expect(carriesToken(asked(authorization), 's3cret')).toBe(expected)
  })
})
