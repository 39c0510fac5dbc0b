import { expect, it } from 'vitest'
import { isRepository } from '../../model/reference.ts'
import { copyName } from './copy-name.ts'

const HOSTS = [
  ['docker.io', 'docker.io'],
  ['Registry.Example.com:5000', 'registry.example.com_5000'],
  ['my-registry.example.com', 'my-registry.example.com'],
  ['my.registry.example.com', 'my.registry.example.com'],
  ['localhost:5000', 'localhost_5000'],
  ['127.0.0.1:5000', '127.0.0.1_5000'],
  ['[::1]', 'ip6_xx1'],
  ['[::1]:5000', 'ip6_xx1_5000'],
  ['[fe80::]', 'ip6_fe80xx'],
  ['[123::]', 'ip6_123xx'],
  ['ip6:123', 'ip6_123'],
] as const

it.each(HOSTS)('copies of %s lie below mirror/%s', (registry, part) => {
  const name = copyName({ registry, repository: 'team/shop', tag: null, digest: null })
  expect(name).toBe(`mirror/${part}/team/shop`)
  expect(isRepository(name)).toBe(true)
})

it('no two registries share a place', () => {
  expect(new Set(HOSTS.map(([, part]) => part)).size).toBe(HOSTS.length)
})
