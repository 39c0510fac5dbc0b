import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { aRegistry } from '../../src/registry/testing.ts'
import { CliStage, jsonLines } from './cli-stage.ts'

describe('naru login and logout', () => {
  const stage = CliStage.open()
  afterAll(async () => {
    expect(await stage.close()).toEqual([])
  })
  const config = () => readFileSync(join(stage.folder, '.docker/config.json'), 'utf8')

  it('store a login that the registry takes, and forget it', async () => {
    await using registry = await aRegistry({ token: 'canary-4711' })
    const login = ['login', registry.host, '-u', 'naru', '--password-stdin']
    const wrong = await stage.naru(login, { input: 'canary-wrong\n' })
    expect(wrong).toMatchObject({ code: 4, stdout: '' })
    expect(wrong.stderr).toMatch(/^error REGISTRY_AUTH_FAILED: /)
    expect(wrong.stderr).not.toContain('canary')
    expect(config).toThrow(/ENOENT/)

    expect(await stage.naru(login, { input: 'canary-4711\n' })).toEqual({
      code: 0,
      stdout: `logged in to ${registry.host} as naru\n`,
      stderr: `stored in ${join(stage.folder, '.docker/config.json')}\n`,
    })
    expect(JSON.parse(config())).toEqual({ auths: { [registry.host]: { auth: btoa('naru:canary-4711') } } })

    const out = await stage.naru(['logout', registry.host, '-o', 'json'])
    expect(jsonLines(out.stdout)).toEqual([{ registry: registry.host, wasThere: true, remains: null }])
    expect(JSON.parse(config())).toEqual({ auths: {} })
  })

  it('says when a registry asks for no login', async () => {
    await using registry = await aRegistry()
    const { code, stderr } = await stage.naru(['login', registry.host, '-u', 'kim', '--password-stdin'], { input: 'x' })
    expect(code).toBe(0)
    expect(stderr).toContain('lets anybody in')
  })

  it.each([
    [['login', 'https://reg.example.com', '-u', 'kim', '--password-stdin'], 'is no registry'],
    [['login', 'reg.example.com', '-u', 'kim', '--password=canary'], 'does not belong on a command line'],
    [['login', 'reg.example.com', '-u', 'kim', '-p', 'canary'], 'does not belong on a command line'],
    [['login', 'reg.example.com', '-u', 'kim'], 'no terminal to ask on'],
    [['login', 'reg.example.com', '--password-stdin'], 'no user was given'],
    [['login', 'reg.example.com', '-u', 'a:b', '--password-stdin'], 'no colon'],
    [['login', 'reg.example.com', '-u', 'kim', '--password-stdin'], 'is empty'],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await stage.naru(args)
    expect(code).toBe(2)
    expect(stderr).toContain(message)
    expect(stderr).not.toContain('canary')
  })
})
