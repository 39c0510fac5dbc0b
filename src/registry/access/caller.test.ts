import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { addressOf, basicOf, bearerOf, originOf } from './caller.ts'

const request = (remoteAddress: string, headers: Record<string, string>) =>
  ({ headers, socket: { remoteAddress, localAddress: '192.0.2.1', localPort: 5000 } }) as unknown as IncomingMessage

describe('whom a failed login counts for', () => {
  it.each([
    ['203.0.113.7', {}, '203.0.113.7'],
    ['::ffff:203.0.113.7', {}, '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', {}, '2001:db8:1:2'],
    ['2001:db8:1:2::9', {}, '2001:db8:1:2'],
    ['2001:db8::1', {}, '2001:db8:0:0'],
    ['fe80::1', {}, 'fe80:0:0:0'],
    ['::1', {}, '0:0:0:0'],
    ['203.0.113.7', { 'x-forwarded-for': '198.51.100.1' }, '203.0.113.7'],
    ['127.0.0.1', { 'x-forwarded-for': '10.0.0.1, 198.51.100.1' }, '198.51.100.1'],
    ['::1', { 'x-forwarded-for': '2001:db8:1:2::9' }, '2001:db8:1:2'],
    ['127.0.0.1', { 'x-forwarded-for': '' }, '127.0.0.1'],
  ])('%s with %j is %s', (peer, headers, address) => expect(addressOf(request(peer, headers))).toBe(address))
})

describe('where a client finds the tokens', () => {
  it.each([
    [{ host: 'registry.example.com' }, 'http://registry.example.com'],
    [{ host: 'registry.example.com', 'x-forwarded-proto': 'https' }, 'https://registry.example.com'],
    [{ host: 'registry.example.com', 'x-forwarded-proto': 'ftp' }, 'http://registry.example.com'],
    [{ host: '[::1]:5000' }, 'http://[::1]:5000'],
    [{ host: 'evil"\r\nX: y' }, 'http://192.0.2.1:5000'],
    [{ host: 'user@evil' }, 'http://192.0.2.1:5000'],
    [{}, 'http://192.0.2.1:5000'],
  ])('%j: %s', (headers, origin) =>
    expect(originOf(request('127.0.0.1', headers as Record<string, string>))).toBe(origin),
  )
})

describe('what an Authorization header shows', () => {
  it.each([
    [`Basic ${btoa('kim:pass:word')}`, { name: 'kim', secret: 'pass:word' }],
    [`basic ${btoa('kim:')}`, { name: 'kim', secret: '' }],
    [`BASIC  ${Buffer.from('kim:pässword').toString('base64')}`, { name: 'kim', secret: 'pässword' }],
    [`Basic ${btoa('kim')}`, null],
    ['Basic', null],
    ['Basic !', null],
    ['Bearer a', null],
  ])('%s: %j', (header, found) => expect(basicOf(header)).toEqual(found))

  it.each([
    ['Bearer a.b.c', 'a.b.c'],
    ['bearer a.b.c', 'a.b.c'],
    ['Bearer a b', null],
    ['Bearer ', null],
    ['Basic abc', null],
  ])('%s: %j', (header, found) => expect(bearerOf(header)).toBe(found))
})
