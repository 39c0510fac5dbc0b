import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { readdir, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../os/system-clock.ts'
import { Accounts } from './accounts.ts'
import { ChangeAccounts } from './change-accounts.ts'
import { openTokenIssuer } from './token-issuer.ts'

const path = mkdtempSync(join(tmpdir(), 'naru-accounts-'))
const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'naru-test', path]).status === 0
afterAll(() => {
  if (isMounted) spawnSync('umount', ['-l', path])
  rmdirSync(path)
})

/** Fills the file system but for so many blocks. */
async function fillBut(blocks: number): Promise<void> {
  const { bavail, bsize } = await statfs(path)
  await writeFile(join(path, 'filler'), Buffer.alloc((bavail - blocks) * bsize))
}

const PULL = [{ repositories: '**', actions: ['pull' as const] }]

describe.skipIf(!isMounted)('F6: a full disk under the accounts (needs root to mount a small tmpfs)', () => {
  it('changes nothing, tells where, and loses no account or key', async () => {
    const folder = join(path, 'access')
    const accounts = await Accounts.open(folder, systemClock)
    const change = new ChangeAccounts(accounts, systemClock)
    const { key } = await openTokenIssuer(folder)
    await change.addUser('kim', 'correct horse', PULL)
    const token = await change.addRobot('ci', PULL, null)
    const before = JSON.stringify(await accounts.list())
    await fillBut(0)
    const full = { code: 'DISK_FULL', message: expect.stringContaining(join(folder, 'accounts')) }
    await expect(change.addUser('lee', 'correct horse', PULL)).rejects.toMatchObject(full)
    await expect(change.addRobot('cd', PULL, null)).rejects.toMatchObject(full)
    await expect(change.setPassword('kim', 'another horse')).rejects.toMatchObject(full)
    await expect(change.renewToken('ci', null)).rejects.toMatchObject(full)
    await expect(change.setRights('user', 'kim', [])).rejects.toMatchObject(full)
    expect(JSON.stringify(await accounts.list())).toBe(before)
    expect(Buffer.from((await openTokenIssuer(folder)).key).equals(Buffer.from(key))).toBe(true)
    expect((await readdir(join(folder, 'accounts'))).sort()).toEqual(['ci.json', 'kim.json'])
    // Who is there can be removed on a full disk, and made with room again.
    await change.remove('robot', 'ci')
    await rm(join(path, 'filler'))
    expect(await change.addRobot('ci', PULL, null)).not.toBe(token)
  })

  it('leaves no part of a key where none could be made', async () => {
    const folder = join(path, 'fresh')
    await Accounts.open(folder, systemClock)
    await fillBut(0)
    await expect(openTokenIssuer(folder)).rejects.toMatchObject({ code: 'DISK_FULL' })
    expect(await readdir(folder)).toEqual(['accounts'])
    await rm(join(path, 'filler'))
    expect((await openTokenIssuer(folder)).key.length).toBe(32)
  })
})
