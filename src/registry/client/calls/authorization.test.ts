import { expect, it } from 'vitest'
import { addressClass, mayLeadTo } from '../../../os/address-class.ts'
import { isSameSite } from './authorization.ts'
import { parseChallenge } from './parse-challenge.ts'

it.each([
  ['reg.example.com', 'reg.example.com', true],
  ['registry-1.docker.io', 'auth.docker.io', true],
  ['registry.gitlab.com', 'gitlab.com', true],
  ['example.com', 'auth.example.com', true],
  ['reg.example.com', 'auth.example.com', false],
  ['kim.github.io', 'eve.github.io', false],
  ['example.com', 'notexample.com', false],
  ['example.com', 'example.com.evil.org', false],
  ['example.com', 'com', false],
  ['localhost', '127.0.0.1', false],
])('A9: the login of %s goes to the token service %s: %s', (registry, service, expected) => {
  expect(isSameSite(registry, service)).toBe(expected)
})

it.each([
  ['Basic realm="x"', { kind: 'basic' }],
  ['Bearer realm="https://a/t",service="s",scope="x"', { kind: 'bearer', realm: 'https://a/t', service: 's' }],
  ['bearer REALM=https://a/t', { kind: 'bearer', realm: 'https://a/t', service: null }],
  ['Basic realm="x", Bearer realm="https://a/t"', { kind: 'bearer', realm: 'https://a/t', service: null }],
  ['Bearer realm="a \\"quoted\\", one"', { kind: 'bearer', realm: 'a "quoted", one', service: null }],
  ['Bearer', null],
  ['Negotiate', null],
  ['', null],
  ['"'.repeat(8000), null],
  ['x'.repeat(10_000), null],
  [undefined, null],
] as const)('reads the challenge %j', (header, expected) => {
  expect(parseChallenge(header)).toEqual(expected)
})

it.each([
  ['127.0.0.1', 'loopback'],
  ['127.9.9.9', 'loopback'],
  ['::1', 'loopback'],
  ['::ffff:127.0.0.1', 'loopback'],
  ['::ffff:7f00:1', 'loopback'],
  ['0.0.0.0', 'local'],
  ['::', 'local'],
  ['169.254.169.254', 'local'],
  ['::ffff:a9fe:a9fe', 'local'],
  ['64:ff9b::a9fe:a9fe', 'local'],
  ['fe80::1', 'local'],
  ['10.1.2.3', 'private'],
  ['172.31.0.1', 'private'],
  ['172.32.0.1', 'public'],
  ['192.168.1.1', 'private'],
  ['100.64.0.1', 'private'],
  ['fd00::1', 'private'],
  ['fd00:ec2::254', 'local'],
  ['fd20:ce::254', 'local'],
  ['100.100.100.200', 'local'],
  ['192.0.0.192', 'local'],
  ['168.63.129.16', 'local'],
  ['168.63.129.17', 'public'],
  ['8.8.8.8', 'public'],
  ['2606:4700::1', 'public'],
])('A9: %s is %s', (address, expected) => {
  expect(addressClass(address)).toBe(expected)
})

it.each([
  ['public', 'public', true],
  ['public', 'private', false],
  ['public', 'loopback', false],
  ['public', 'local', false],
  ['private', 'public', true],
  ['private', 'private', true],
  ['private', 'loopback', false],
  ['private', 'local', false],
  ['loopback', 'loopback', true],
  ['loopback', 'private', true],
  ['loopback', 'local', false],
] as const)('A9: a %s registry may lead to a %s address: %s', (registry, other, expected) => {
  expect(mayLeadTo(registry, other)).toBe(expected)
})
