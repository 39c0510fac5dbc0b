import { expect, it } from 'vitest'
import { runsHere } from './emulation.ts'

const AMD = { os: 'linux', architecture: 'amd64' }
it.each([
  ['amd64', '', true],
  ['386', '', true],
  ['arm64', '', false],
  ['arm64', 'enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OCF\noffset 0\n', true],
  ['arm64', 'enabled\ninterpreter /usr/bin/qemu-aarch64\nflags: \n', false],
  ['arm64', 'disabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OCF\n', false],
])('%s with %j on amd64: %s', (architecture, text, expected) => {
  const read = (path: string) => {
    if (text === '' || path !== '/proc/sys/fs/binfmt_misc/qemu-aarch64') throw new Error('ENOENT')
    return text
  }
  expect(runsHere({ os: 'linux', architecture }, AMD, read)).toBe(expected)
})
