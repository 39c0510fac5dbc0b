import { expect, it } from 'vitest'
import { diskFull } from './disk-full.ts'

const full = (path?: string) => Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', path })

it.each([
  [
    full(),
    'storing sha256:1',
    '/data/registry',
    'no space left while storing sha256:1 in /data/registry',
    '(df -h /data/registry)',
  ],
  [
    full('/data/x'),
    'storing sha256:1',
    undefined,
    'no space left while storing sha256:1 in /data/x',
    '(df -h /data/x)',
  ],
  [full('/data/x'), 'writing /data/x', undefined, 'no space left while writing /data/x', '(df -h /data/x)'],
  [full(), 'receiving a blob', undefined, 'no space left while receiving a blob', '(df -h)'],
])('names what was written to on a full disk: %s %s %s', (thrown, doing, place, message, command) => {
  expect(diskFull(thrown, doing, place)).toMatchObject({
    code: 'DISK_FULL',
    message,
    hint: expect.stringContaining(command),
  })
})

it('leaves other failures as they are', () => {
  const other = Object.assign(new Error('EACCES'), { code: 'EACCES' })
  expect([diskFull(other, 'x'), diskFull(null, 'x'), diskFull('text', 'x')]).toEqual([other, null, 'text'])
})
