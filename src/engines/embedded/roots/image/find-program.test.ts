import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findProgram, type ProgramSearch } from './find-program.ts'
import { ImageFiles } from './image-files.ts'
import { processUser } from './process-user.ts'

let scratch: string
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'naru-program-'))
  for (const layer of ['top', 'low']) mkdirSync(join(scratch, layer))
})
afterEach(() => rmSync(scratch, { recursive: true, force: true }))

function write(path: string, content: string | Buffer, mode = 0o755): void {
  mkdirSync(dirname(join(scratch, path)), { recursive: true })
  writeFileSync(join(scratch, path), content, { mode })
}
function link(path: string, target: string): void {
  mkdirSync(dirname(join(scratch, path)), { recursive: true })
  symlinkSync(target, join(scratch, path))
}
const files = () => new ImageFiles([join(scratch, 'top'), join(scratch, 'low')])
const search = (): ProgramSearch => ({ files: files(), path: '/usr/bin:/bin', cwd: '/app', architecture: 'x64' })

/** An ELF file of a machine (62 x64, 183 arm64), with the loader that it asks for. */
function elf(machine = 62, loader = ''): Buffer {
  const bytes = Buffer.alloc(256)
  bytes.write('\x7fELF', 0, 'latin1')
  bytes.set([2, 1, 1], 4)
  bytes.writeUInt16LE(machine, 18)
  bytes.writeUInt32LE(64, 32)
  bytes.writeUInt16LE(56, 54)
  bytes.writeUInt16LE(loader === '' ? 0 : 1, 56)
  bytes.writeUInt32LE(3, 64)
  bytes.writeUInt32LE(160, 64 + 8)
  bytes.writeUInt32LE(loader.length + 1, 64 + 32)
  bytes.write(loader, 160, 'latin1')
  return bytes
}

describe('a program', () => {
  it('is found in PATH, through links that stay inside the image, in the topmost layer', () => {
    write('low/usr/bin/real', elf())
    link('top/bin', '/usr/bin')
    link('top/usr/bin/node', '../../../../usr/bin/real')
    expect(findProgram('node', { ...search(), path: '/bin' })).toMatchObject({
      inside: '/bin/node',
      resolved: '/usr/bin/real',
    })
    expect(findProgram('./../bin/node', search()).resolved).toBe('/usr/bin/real')
  })

  it('is not found on the machine by a link that leads out of the image', () => {
    link('top/bin/sh', '/../../../../../bin/sh')
    link('top/bin/ring', 'ring')
    expect(() => findProgram('/bin/sh', search())).toThrow(
      expect.objectContaining({ code: 'REPLICA_PROGRAM_NOT_FOUND' }),
    )
    expect(() => findProgram('ring', search())).toThrow(expect.objectContaining({ code: 'REPLICA_PROGRAM_NOT_FOUND' }))
  })

  it('is hidden by a file of a layer above its folder', () => {
    write('low/opt/tool/run', elf())
    write('top/opt/tool', 'no folder')
    expect(() => findProgram('/opt/tool/run', search())).toThrow(
      expect.objectContaining({ code: 'REPLICA_PROGRAM_NOT_FOUND' }),
    )
  })

  it.each<[string, string | Buffer, number, string, RegExp]>([
    ['is for another machine', elf(183), 0o755, 'REPLICA_WRONG_ARCHITECTURE', /made for arm64, this machine is x64/],
    [
      'needs a loader that is not there',
      elf(62, '/lib/ld-musl.so'),
      0o755,
      'REPLICA_PROGRAM_NOT_FOUND',
      /needs the loader \/lib\/ld-musl\.so/,
    ],
    [
      'needs an interpreter that is not there',
      '#!/usr/bin/python3 -u\n',
      0o755,
      'REPLICA_PROGRAM_NOT_FOUND',
      /script for \/usr\/bin\/python3/,
    ],
    [
      'is its own interpreter',
      '#!/bin/prog\n',
      0o755,
      'REPLICA_PROGRAM_NOT_FOUND',
      /no interpreter that can be started/,
    ],
    ['may not be executed', elf(), 0o644, 'REPLICA_START_FAILED', /no file that may be executed/],
    ['is a text', 'hello', 0o755, 'REPLICA_START_FAILED', /neither machine code/],
    ['is cut short', elf().subarray(0, 20), 0o755, 'REPLICA_START_FAILED', /neither machine code/],
  ])('is refused when it %s', (_name, content, mode, code, message) => {
    write('top/bin/prog', content, mode)
    expect(() => findProgram('prog', search())).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    )
  })

  it('of a script is its interpreter, with one argument', () => {
    write('top/bin/sh', elf())
    write('top/app/run', '#! /bin/sh -e -x\n')
    const { script } = findProgram('./run', search())
    expect(script).toMatchObject({ interpreter: { inside: '/bin/sh' }, argument: '-e -x' })
  })

  it('says where it was looked for', () => {
    expect(() => findProgram('nginx', search())).toThrow(
      '"nginx" is not in the image; looked for /usr/bin/nginx, /bin/nginx',
    )
  })
})

describe('the user of an image', () => {
  beforeEach(() => {
    write('low/etc/passwd', 'root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n', 0o644)
    write('low/etc/group', 'root:x:0:\napp:x:1001:\nweb:x:50:app,other\n', 0o644)
  })
  it.each([
    ['', { uid: 0, gid: 0, groups: [], home: '/root' }],
    ['app', { uid: 1000, gid: 1001, groups: [50], home: '/home/app' }],
    ['1000', { uid: 1000, gid: 1001, groups: [50], home: '/home/app' }],
    ['4242', { uid: 4242, gid: 0, groups: [], home: '/' }],
    ['app:web', { uid: 1000, gid: 50, groups: [], home: '/home/app' }],
    ['4242:4343', { uid: 4242, gid: 4343, groups: [], home: '/' }],
  ])('%j is read by the image’s own files', (user, expected) => {
    expect(processUser(user, files())).toEqual(expected)
  })
  it.each(['nobody', 'app:nogroup', '99999999999', '-1'])('%j is refused', (user) => {
    expect(() => processUser(user, files())).toThrow(expect.objectContaining({ code: 'IMAGE_INVALID' }))
  })
})
