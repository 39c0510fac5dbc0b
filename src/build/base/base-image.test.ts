import { execFileSync } from 'node:child_process'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { aBuild, never, readImage, type TestBuild } from '../testing.ts'
import { makeBaseImage } from './base-image.ts'
import { readElf } from './elf.ts'

const path = process.env.PATH ?? ''
const base = ({ store, cacheFolder }: TestBuild, program: string, name: string | null = null) =>
  makeBaseImage(
    { program, path, name, cacheFolder, destination: { store, repository: 'base/x', tags: ['1'] } },
    () => {},
    never,
  )

describe('makeBaseImage', () => {
  it('has the program, its loader, each library that ldd finds, users, name lookup and /tmp', async () => {
    await using build = await aBuild({})
    await base(build, 'git')
    const { files, config } = await readImage(build.store, 'base/x', '1')
    expect(files['usr/local/bin/git']).toMatch(/^f 755 0:0 /)
    expect(files.tmp).toBe('d 1777 0:0')
    expect(files['etc/passwd']).toContain('root:x:0:0:')
    expect(files['etc/nsswitch.conf']).toContain('hosts: files dns')
    expect(config.config).toMatchObject({ Cmd: ['git'] })
    const names = Object.keys(files).map((file) => file.split('/').at(-1))
    const git = execFileSync('which', ['git'], { encoding: 'utf8' }).trim()
    const wanted = [...execFileSync('ldd', [git], { encoding: 'utf8' }).matchAll(/^\s+(\S+) => \//gm)].map(
      ([, name]) => name,
    )
    expect(wanted.length).toBeGreaterThan(1)
    expect(names).toEqual(expect.arrayContaining(wanted))
    const interpreter = readElf(git)?.interpreter ?? 'none'
    expect(files[interpreter.slice(1)]).toMatch(/^f 755 0:0 /)
  })

  it('has the same digest the next time, and then packs and sends nothing', async () => {
    await using one = await aBuild({})
    await using other = await aBuild({})
    const first = await base(one, 'git')
    expect(await base(one, 'git')).toMatchObject({ artifact: first.artifact, sentBytes: 0 })
    expect((await base(other, 'git')).artifact).toEqual(first.artifact)
  })

  it('takes another name, and serves as the base of a build', async () => {
    await using build = await aBuild({ Dockerfile: 'FROM base/x:1\nCOPY a /tmp/a\nUSER app\n', a: 'A' })
    await base(build, 'git', 'tool')
    const { files, config } = await build.image()
    expect(files['usr/local/bin/tool']).toBeDefined()
    expect(files['tmp/a']).toBe('f 644 0:0 A')
    expect(config.config).toMatchObject({ User: 'app', Cmd: ['tool'] })
  })

  it.each([
    ['a name that is not in PATH', 'naru-no-such-program', null, 'there is no program naru-no-such-program in PATH'],
    ['a path that is not there', '/nowhere/x', null, 'there is no program /nowhere/x'],
    ['a bad name', 'git', '../x', 'cannot name a program'],
  ])('refuses %s', async (_name, program, name, message) => {
    await using build = await aBuild({})
    const failed = base(build, program, name)
    await expect(failed).rejects.toMatchObject({ code: 'BUILD_PROGRAM_NOT_FOUND' })
    await expect(failed).rejects.toThrow(message)
  })

  it('refuses a script, and says what to take', async () => {
    await using build = await aBuild({ script: { run: '#!/bin/sh\n' } })
    await expect(base(build, join(build.root, 'script'))).rejects.toMatchObject({
      code: 'BUILD_PROGRAM_NOT_FOUND',
      hint: expect.stringContaining('interpreter'),
    })
  })
})

describe('readElf', () => {
  it('reads nothing from a file that is cut or no ELF', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'naru-elf-'))
    try {
      await writeFile(join(folder, 'text'), 'hello')
      expect(readElf(join(folder, 'text'))).toBeNull()
      await copyFile(process.execPath, join(folder, 'cut'))
      await writeFile(
        join(folder, 'cut'),
        Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]), Buffer.alloc(58, 255)]),
      )
      expect(readElf(join(folder, 'cut'))).toBeNull()
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
