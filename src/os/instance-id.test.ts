import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { instanceId } from './instance-id.ts'

describe('instanceId', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'naru-id-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  it('makes 8 hex digits once and keeps them', async () => {
    const id = await instanceId(folder)
    expect(id).toMatch(/^[0-9a-f]{8}$/)
    expect(await instanceId(folder)).toBe(id)
    expect(await readFile(join(folder, 'id'), 'utf8')).toBe(`${id}\n`)
  })

  it('gives callers at the same time one id, and leaves no temporary file', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => instanceId(join(folder, 'made'))))
    expect(new Set(ids).size).toBe(1)
    expect(await readdir(join(folder, 'made'))).toEqual(['id'])
  })

  it('refuses a file that holds something else', async () => {
    await writeFile(join(folder, 'id'), '../../etc')
    await expect(instanceId(folder)).rejects.toThrow('8 hex digits')
  })
})
