import { join } from 'node:path'
import { readdir, readFile, stat } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RegistryError } from '../server/registry-error.ts'
import { aFolder } from '../testing.ts'
import { Accounts } from './accounts.ts'
import { ChangeAccounts } from './change-accounts.ts'
import { SignIn } from './sign-in.ts'
import { StillClock } from './testing.ts'

const PASSWORD = 'correct horse battery'
const PULL = [{ repositories: '**', actions: ['pull'] }] as const

let folder: Awaited<ReturnType<typeof aFolder>>
let accounts: Accounts
let change: ChangeAccounts
let token: string
const clock = new StillClock()
beforeAll(async () => {
  folder = await aFolder()
  accounts = await Accounts.open(join(folder.path, 'access'), clock)
  change = new ChangeAccounts(accounts, clock)
  await change.addUser('kim', PASSWORD, PULL)
  token = await change.addRobot('ci', PULL, null)
})
afterAll(() => folder[Symbol.asyncDispose]())

/** `ok`, or the code of the refusal. */
async function outcome(signIn: SignIn, name: string, secret: string, address = '192.0.2.1'): Promise<string> {
  try {
    return (await signIn.account({ name, secret, address })).name === name ? 'ok' : 'somebody else'
  } catch (failed) {
    if (failed instanceof RegistryError) return failed.code
    throw failed
  }
}

describe('who logs in', () => {
  it('is let in with the password or the token that is right, and with nothing else', async () => {
    const signIn = new SignIn(accounts, clock)
    expect(await outcome(signIn, 'kim', PASSWORD)).toBe('ok')
    expect(await outcome(signIn, 'ci', token)).toBe('ok')
    const wrong: [string, string][] = [
      ['kim', 'wrong'],
      ['kim', token],
      ['ci', PASSWORD],
      ['ci', `naru_${'A'.repeat(43)}`],
      ['nobody', PASSWORD],
      ['nobody', token],
      ['', ''],
      ['../accounts/kim', PASSWORD],
      ['kim.json', PASSWORD],
      ['KIM', PASSWORD],
    ]
    for (const [name, secret] of wrong)
      expect(await outcome(new SignIn(accounts, clock), name, secret)).toBe('UNAUTHORIZED')
  })

  it('is told to those who run the registry when he is refused, and why: never what he showed', async () => {
    const told: unknown[] = []
    const signIn = new SignIn(accounts, clock, (login) => told.push(login))
    const late = await change.addRobot('late', PULL, clock.now() - 1)
    const tries = [
      ['kim', 'wrong'],
      ['ci', `naru_${'A'.repeat(43)}`],
      ['late', late],
      [PASSWORD, PASSWORD],
    ] as const
    for (const [name, secret] of tries) expect(await outcome(signIn, name, secret)).toBe('UNAUTHORIZED')
    expect(await outcome(signIn, 'kim', PASSWORD)).toBe('ok')
    const address = '192.0.2.1'
    expect(told).toEqual([
      { name: 'kim', address, why: 'wrong password' },
      { name: 'ci', address, why: 'wrong token' },
      { name: 'late', address, why: 'expired' },
      { name: null, address, why: 'no such name' },
    ])
    await change.remove('robot', 'late')
  })

  it('is refused with the same words whether there is such an account or not', async () => {
    const signIn = new SignIn(accounts, clock)
    const bodies = await Promise.all(
      [
        ['kim', 'x'],
        ['ci', 'x'],
        ['nobody', 'x'],
        ['../x', 'x'],
        ['nobody', token],
      ].map(([name = '', secret = '']) =>
        signIn
          .account({ name, secret, address: '192.0.2.9' })
          .catch((failed: RegistryError) => JSON.stringify(failed.body)),
      ),
    )
    expect(new Set(bodies).size).toBe(1)
  })

  it('is out at once when the account has gone or has another password, also if a login was right a moment ago', async () => {
    const signIn = new SignIn(accounts, clock)
    await change.addUser('lee', PASSWORD, PULL)
    expect(await outcome(signIn, 'lee', PASSWORD)).toBe('ok')
    await change.setPassword('lee', `${PASSWORD}!`)
    expect(await outcome(signIn, 'lee', PASSWORD)).toBe('UNAUTHORIZED')
    expect(await outcome(signIn, 'lee', `${PASSWORD}!`)).toBe('ok')
    await change.remove('user', 'lee')
    expect(await outcome(signIn, 'lee', `${PASSWORD}!`)).toBe('UNAUTHORIZED')
  })
})

describe('who guesses', () => {
  it('waits after five wrong passwords, also for a right one, and not for ever', async () => {
    const signIn = new SignIn(accounts, clock)
    for (let guess = 0; guess < 6; guess++) expect(await outcome(signIn, 'kim', `wrong ${guess}`)).toBe('UNAUTHORIZED')
    expect(await outcome(signIn, 'kim', PASSWORD)).toBe('TOOMANYREQUESTS')
    expect(await outcome(signIn, 'kim', PASSWORD, '192.0.2.2')).toBe('ok')
    clock.move(2000)
    expect(await outcome(signIn, 'kim', PASSWORD)).toBe('ok')
    expect(await outcome(signIn, 'kim', 'wrong again')).toBe('UNAUTHORIZED')
  })

  it('gains nothing by guessing at the same time', async () => {
    const signIn = new SignIn(accounts, clock)
    const guesses = await Promise.all(
      Array.from({ length: 30 }, (_, guess) => outcome(signIn, 'kim', `wrong ${guess}`)),
    )
    expect(guesses.filter((each) => each === 'UNAUTHORIZED').length).toBe(6)
    expect(guesses.filter((each) => each === 'TOOMANYREQUESTS').length).toBe(24)
  })

  it('gains nothing by trying one password with many names', async () => {
    const signIn = new SignIn(accounts, clock)
    // Tokens cost nothing to check, and count all the same.
    const guess = (at: number) => outcome(signIn, `user-${at}`, `naru_${String(at).padStart(43, 'A')}`)
    for (let at = 0; at < 51; at++) expect(await guess(at)).toBe('UNAUTHORIZED')
    expect(await outcome(signIn, 'kim', PASSWORD)).toBe('TOOMANYREQUESTS')
    // 256 bits are not guessed: the robots of the same office go on.
    expect(await outcome(signIn, 'ci', token)).toBe('ok')
    expect(await outcome(signIn, 'kim', PASSWORD, '192.0.2.3')).toBe('ok')
  })

  it('is no other than a person who logs in often: the same login at the same time is one', async () => {
    const signIn = new SignIn(accounts, clock)
    const all = await Promise.all(Array.from({ length: 40 }, () => outcome(signIn, 'kim', PASSWORD)))
    expect(new Set(all)).toEqual(new Set(['ok']))
    for (let login = 0; login < 20; login++) expect(await outcome(signIn, 'kim', PASSWORD)).toBe('ok')
  })
})

describe('what is kept of accounts', () => {
  it('is for their owner only, and holds neither password nor token', async () => {
    const place = join(folder.path, 'access', 'accounts')
    expect((await stat(place)).mode & 0o077).toBe(0)
    const files = await readdir(place)
    expect(files.sort()).toEqual(['ci.json', 'kim.json'])
    for (const file of files) {
      expect((await stat(join(place, file))).mode & 0o077).toBe(0)
      const text = await readFile(join(place, file), 'utf8')
      for (const secret of [PASSWORD, token, token.slice(5)]) expect(text).not.toContain(secret)
    }
  })

  it.each([
    ['short', 'fewer than 8'],
    ['naru_'.padEnd(48, 'A'), 'like the token of a robot'],
    ['longenough\n', 'control characters'],
    ['x'.repeat(1025), 'more than 1024'],
  ])('is never the password %j', async (password, why) => {
    await expect(change.addUser('pat', password, PULL)).rejects.toThrow(why)
    expect(await accounts.read('pat')).toBeNull()
  })

  it('is never the name as the password', async () => {
    await expect(change.addUser('longenough', 'LongEnough', PULL)).rejects.toThrow('is the name')
  })

  it('is one of each name, made once by many who make it at once', async () => {
    const made = await Promise.allSettled(Array.from({ length: 8 }, () => change.addRobot('twin', PULL, null)))
    expect(made.filter(({ status }) => status === 'fulfilled').length).toBe(1)
    for (const one of made) if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'ACCOUNT_EXISTS' })
    await expect(change.addUser('twin', PASSWORD, PULL)).rejects.toMatchObject({ code: 'ACCOUNT_EXISTS' })
    await expect(change.remove('user', 'twin')).rejects.toMatchObject({ code: 'ACCOUNT_NOT_FOUND' })
    await change.remove('robot', 'twin')
  })

  it.each(['', '.', '..', '../kim', 'a/b', 'a b', 'Kim', '-a', 'a-', 'a'.repeat(65), 'a\u0000b'])(
    'has no name like %j',
    async (name) => {
      await expect(change.addRobot(name, PULL, null)).rejects.toMatchObject({ code: 'NAME_INVALID' })
    },
  )
})
