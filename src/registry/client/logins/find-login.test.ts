import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { aFolder, never } from '../../testing.ts'
import { userCredentials } from './find-login.ts'

const HUB = 'https://index.docker.io/v1/'
const auth = Buffer.from('kim:canary:4711').toString('base64')
const kim = { kind: 'password', username: 'kim', password: 'canary:4711' }

/** Where this machine's own user has no logins. */
const NOWHERE = { HOME: '/nonexistent', XDG_RUNTIME_DIR: '/nonexistent' }

async function asked(config: object | string, host: string, env: Record<string, string> = {}) {
  await using folder = await aFolder()
  await writeFile(join(folder.path, 'config.json'), typeof config === 'string' ? config : JSON.stringify(config))
  return await userCredentials({ ...NOWHERE, DOCKER_CONFIG: folder.path, ...env })(host, null, never)
}

describe('logins of the docker configuration', () => {
  it.each([
    ['a host', { auths: { 'reg.example.com': { auth } } }, 'reg.example.com', kim],
    ['a host with its port', { auths: { 'reg.example.com:5000': { auth } } }, 'reg.example.com:5000', kim],
    ['a host written as URL', { auths: { 'https://reg.example.com': { auth } } }, 'reg.example.com', kim],
    ['Docker Hub by its old name', { auths: { [HUB]: { auth } } }, 'registry-1.docker.io', kim],
    ['an identity token', { auths: { r: { auth, identitytoken: 'T' } } }, 'r', { kind: 'identity', token: 'T' }],
    ['another port', { auths: { 'reg.example.com:5000': { auth } } }, 'reg.example.com:5001', null],
    ['another host', { auths: { 'reg.example.com': { auth } } }, 'reg.example.com.evil.org', null],
    ['no host', {}, 'reg.example.com', null],
    ['an empty login', { auths: { r: {} } }, 'r', null],
    ['a key that is no host', { auths: { r: { auth } } }, '__proto__', null],
  ])('are found for %s', async (_, config, host, expected) => {
    expect(await asked(config, host)).toEqual(expected)
  })

  it('are none where there is no file', async () => {
    expect(await userCredentials({ ...NOWHERE, DOCKER_CONFIG: '/nonexistent' })('r', null, never)).toBeNull()
  })

  it('are refused where the file is broken, without a word of it', async () => {
    const reading = asked(`{"auths": {"r": {"auth": "${auth}"`, 'r')
    await expect(reading).rejects.toMatchObject({
      code: 'REGISTRY_AUTH_FAILED',
      message: expect.not.stringContaining(auth),
    })
  })
})

/** A folder of programs with one helper that writes down how it was called. */
async function aHelper(script: string) {
  const folder = await aFolder()
  const path = join(folder.path, 'docker-credential-test')
  await mkdir(join(folder.path, 'docker'))
  await writeFile(path, `#!/bin/sh\necho "$@" > ${folder.path}/args\ncat > ${folder.path}/input\n${script}\n`)
  await chmod(path, 0o755)
  return {
    ...folder,
    ask: async (config: object, host: string) => {
      await writeFile(join(folder.path, 'docker', 'config.json'), JSON.stringify(config))
      const env = { ...NOWHERE, DOCKER_CONFIG: join(folder.path, 'docker'), PATH: `${folder.path}:/usr/bin:/bin` }
      return userCredentials(env)(host, null, never)
    },
  }
}

describe('credential helpers', () => {
  it('are asked by the host on their input', async () => {
    await using helper = await aHelper(`echo '{"ServerURL":"r","Username":"kim","Secret":"canary:4711"}'`)
    expect(await helper.ask({ credHelpers: { r: 'test' } }, 'r')).toEqual(kim)
    expect(await readFile(join(helper.path, 'args'), 'utf8')).toBe('get\n')
    expect(await readFile(join(helper.path, 'input'), 'utf8')).toBe('r')
  })

  it('may give an identity token', async () => {
    await using helper = await aHelper(`echo '{"Username":"<token>","Secret":"T"}'`)
    expect(await helper.ask({ credsStore: 'test' }, 'r')).toEqual({ kind: 'identity', token: 'T' })
  })

  it('that know no login leave the word to the file', async () => {
    await using helper = await aHelper(`echo 'credentials not found in native keychain'; exit 1`)
    expect(await helper.ask({ credsStore: 'test', auths: { r: { auth } } }, 'r')).toEqual(kim)
  })

  it.each([
    ['fails', 'echo boom; exit 1', 'test', /could not give/],
    ['answers no JSON', 'echo canary', 'test', /no JSON/],
    ['is not installed', '', 'other', /not installed/],
    ['is named like a path', '', '../../bin/sh', /no name of a helper/],
  ])('that %s is told by its name', async (_, script, name, message) => {
    await using helper = await aHelper(script)
    await expect(helper.ask({ credHelpers: { r: name } }, 'r')).rejects.toMatchObject({
      code: 'REGISTRY_AUTH_FAILED',
      message: expect.stringMatching(message),
    })
  })
})

describe('logins of podman', () => {
  const login = (username: string) => ({ auth: btoa(`${username}:pw`) })
  const named = (username: string) => ({ kind: 'password', username, password: 'pw' })

  /** A machine with these files of logins, in the order in which they are asked. */
  async function aMachine(files: Readonly<Record<string, object>>) {
    const folder = await aFolder()
    for (const [path, auths] of Object.entries(files)) {
      await mkdir(join(folder.path, path, '..'), { recursive: true })
      await writeFile(join(folder.path, path), JSON.stringify({ auths }))
    }
    const env = { HOME: folder.path, XDG_RUNTIME_DIR: join(folder.path, 'run') }
    return {
      ...folder,
      ask: (host: string, repository: string | null, more: Record<string, string> = {}) =>
        userCredentials({ ...env, ...more })(host, repository, never),
    }
  }

  it("stand behind docker's, the one of the session first", async () => {
    await using machine = await aMachine({
      '.docker/config.json': { a: login('docker') },
      'run/containers/auth.json': { a: login('session'), b: login('session') },
      '.config/containers/auth.json': { a: login('user'), b: login('user'), c: login('user') },
      'other.json': { a: login('other') },
    })
    expect(await machine.ask('a', null)).toEqual(named('docker'))
    expect(await machine.ask('b', null)).toEqual(named('session'))
    expect(await machine.ask('c', null)).toEqual(named('user'))
    const REGISTRY_AUTH_FILE = join(machine.path, 'other.json')
    expect(await machine.ask('a', null, { REGISTRY_AUTH_FILE })).toEqual(named('other'))
    expect(await machine.ask('b', null, { REGISTRY_AUTH_FILE })).toBeNull()
  })

  it.each([
    ['r', 'team/shop', 'shop'],
    ['r', 'team/shop/web', 'shop'],
    ['r', 'team/other', 'team'],
    ['r', 'teams/shop', 'host'],
    ['r', null, 'host'],
    ['registry-1.docker.io', 'kim/shop', 'hub-kim'],
    ['registry-1.docker.io', 'library/node', 'hub'],
  ])('may be for one path of %s: %s is asked for as %s', async (host, repository, user) => {
    await using machine = await aMachine({
      '.config/containers/auth.json': {
        r: login('host'),
        'r/team': login('team'),
        'r/team/shop': login('shop'),
        'docker.io': login('hub'),
        'docker.io/kim': login('hub-kim'),
      },
    })
    expect(await machine.ask(host, repository)).toEqual(named(user))
  })
})
