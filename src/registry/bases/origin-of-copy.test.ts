import { expect, it } from 'vitest'
import { parseReference } from '../../model/reference.ts'
import { copyName, originOfCopy } from './copy-name.ts'

it.each(['docker.io/library/node', 'registry.example.com:5000/team/shop', '[2001:db8::1]:5000/a', '[::1]/a/b'])(
  'leads from the copy of %s back to it',
  (name) => {
    const { registry, repository, ...rest } = parseReference(name)
    expect(originOfCopy(copyName({ ...rest, repository, registry: registry ?? '' }))).toEqual({ registry, repository })
  },
)

it.each(['shop', 'mirror/docker.io', 'mirrors/docker.io/a'])('%s is no copy', (name) => {
  expect(originOfCopy(name)).toBeNull()
})
