import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { aFolder, never } from '../testing.ts'
import { dockerCredentials } from './credentials.ts'

const HUB = 'https://index.docker.io/v1/'
const auth = Buffer.from('kim:canary:4711').toString('base64')
const kim = { kind: 'password', username: 'kim', password: 'canary:4711' }

async function asked(config: object | string, host: string, env: Record<string, string> = {}) {
  await using folder = await aFolder()
  await writeFile(join(folder.path, 'config.json'), typeof config === 'string' ? config : JSON.stringify(config))
  return await dockerCredentials({ DOCKER_CONFIG: folder.path, ...env })(host, never)
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
    expect(await dockerCredentials({ DOCKER_CONFIG: '/nonexistent' })('r', never)).toBeNull()
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
      const env = { DOCKER_CONFIG: join(folder.path, 'docker'), PATH: `${folder.path}:/usr/bin:/bin` }
      return dockerCredentials(env)(host, never)
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
