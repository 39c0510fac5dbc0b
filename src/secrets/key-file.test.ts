import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readKeyFile, readOrMakeKeyFile } from './key-file.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'naru-key-'))
  path = join(folder, 'keys/secret.key')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const write = (content: string | Buffer, mode = 0o600) => {
  mkdirSync(join(folder, 'keys'), { recursive: true })
  writeFileSync(path, content)
  chmodSync(path, mode)
}
const good = `${Buffer.alloc(32, 9).toString('base64')}\n`

describe('the key file', () => {
  it('is made once, for its owner only, and is the same the next time', async () => {
    expect(await readKeyFile(path)).toBeNull()
    const made = await readOrMakeKeyFile(path)
    expect(made).toHaveLength(1)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(await readOrMakeKeyFile(path)).toEqual(made)
    expect(await readKeyFile(path)).toEqual(made)
  })

  it('is one key for all who make it at once, and leaves no other file', async () => {
    const made = await Promise.all(Array.from({ length: 20 }, () => readOrMakeKeyFile(path)))
    expect(new Set(made.map((keys) => keys[0]?.id)).size).toBe(1)
    expect(readdirSync(join(folder, 'keys'))).toEqual(['secret.key'])
  })

  it('may hold several keys, the first of which seals', async () => {
    write(`${good}\n${Buffer.alloc(32, 8).toString('base64')}\n`)
    const keys = await readKeyFile(path)
    expect(keys?.map(({ bytes }) => bytes[0])).toEqual([9, 8])
  })

  it.each([0o640, 0o604, 0o660, 0o644, 0o777])('is refused with the mode %o', async (mode) => {
    write(good, mode)
    await expect(readKeyFile(path)).rejects.toMatchObject({
      code: 'SECRET_KEY_UNUSABLE',
      hint: expect.stringContaining('chmod 600'),
    })
    await expect(readOrMakeKeyFile(path)).rejects.toMatchObject({ code: 'SECRET_KEY_UNUSABLE' })
    expect(readFileSync(path, 'utf8')).toBe(good)
  })

  it.each([
    ['nothing', ''],
    ['16 bytes', `${Buffer.alloc(16).toString('base64')}\n`],
    ['33 bytes', `${Buffer.alloc(33).toString('base64')}\n`],
    ['raw bytes', Buffer.alloc(32, 0xc3)],
    ['a good key and rubbish', `${good}rubbish\n`],
    ['far too much', good.repeat(2000)],
  ])('is refused with %s in it, and what was in it is not told', async (_what, content) => {
    write(content)
    const failed = await readKeyFile(path).catch((thrown: unknown) => thrown)
    expect(failed).toMatchObject({ code: 'SECRET_KEY_UNUSABLE' })
    expect(String(failed)).not.toContain('rubbish')
  })

  it('is refused when it is a folder', async () => {
    mkdirSync(path, { recursive: true })
    await expect(readKeyFile(path)).rejects.toMatchObject({ code: 'SECRET_KEY_UNUSABLE' })
  })

  it.skipIf(process.getuid?.() !== 0)('is refused when it belongs to another user (needs root)', async () => {
    write(good)
    const { chownSync } = await import('node:fs')
    chownSync(path, 65534, 65534)
    await expect(readKeyFile(path)).rejects.toMatchObject({ code: 'SECRET_KEY_UNUSABLE' })
  })
})
