import { existsSync } from 'node:fs'
import { chmod, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { run } from '../../../os/run.ts'
import { systemClock } from '../../../os/system-clock.ts'
import { aFolder, anImage, aRegistry, never } from '../../testing.ts'
import { openRegistry } from '../open-registry.ts'
import { forgetLogin, storeLogin } from './change-logins.ts'
import { userCredentials } from './find-login.ts'

const SKOPEO = '/usr/bin/skopeo'
const kim = { username: 'kim', password: 'canary:4711' }
const HUB = 'https://index.docker.io/v1/'

/** A home with this docker configuration, or none. */
async function aHome(config?: object) {
  const folder = await aFolder()
  const path = join(folder.path, '.docker/config.json')
  if (config !== undefined) {
    await mkdir(join(folder.path, '.docker'))
    await writeFile(path, JSON.stringify(config))
  }
  const env = { HOME: folder.path, XDG_RUNTIME_DIR: '/nonexistent', PATH: `${folder.path}:/usr/bin:/bin` }
  return { ...folder, path, env, read: async () => JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown> }
}

/** A credential helper that keeps its one login in a file, as real ones do in a keychain. */
async function aHelper(folder: string) {
  const program = join(folder, 'docker-credential-test')
  await writeFile(
    program,
    `#!/bin/sh
case $1 in
  store) cat > ${folder}/kept ;;
  get) cat > /dev/null; if [ -f ${folder}/kept ]; then cat ${folder}/kept; else echo credentials not found; exit 1; fi ;;
  erase) cat > /dev/null; rm ${folder}/kept ;;
esac
`,
  )
  await chmod(program, 0o755)
}

describe('a login that is stored', () => {
  it('is found again, in a file that only its user can read', async () => {
    await using home = await aHome()
    expect(await storeLogin('reg.example.com:5000', kim, home.env, never)).toBe(home.path)
    expect(await userCredentials(home.env)('reg.example.com:5000', null, never)).toEqual({ kind: 'password', ...kim })
    expect((await stat(home.path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(home.path, '..'))).mode & 0o777).toBe(0o700)
    expect(await readdir(join(home.path, '..'))).toEqual(['config.json'])
  })

  it('leaves everything else in the file as it was, and replaces what stood under another name of the host', async () => {
    const others = { 'ghcr.io': { auth: 'eDp5' } }
    await using home = await aHome({ HttpHeaders: { a: 'b' }, auths: { ...others, 'docker.io': { auth: 'b2xk' } } })
    await storeLogin('docker.io', kim, home.env, never)
    expect(await home.read()).toEqual({
      HttpHeaders: { a: 'b' },
      auths: { ...others, [HUB]: { auth: btoa('kim:canary:4711') } },
    })
  })

  it('goes through a link to the file that is meant', async () => {
    await using home = await aHome({})
    await mkdir(join(home.path, '../../kept'))
    await writeFile(join(home.path, '../../kept/real.json'), '{}')
    const link = join(home.path, '../link.json')
    await symlink('../kept/real.json', link)
    await storeLogin('r', kim, { ...home.env, REGISTRY_AUTH_FILE: link }, never)
    expect((await lstat(link)).isSymbolicLink()).toBe(true)
    expect(await readFile(join(home.path, '../../kept/real.json'), 'utf8')).toContain('"r"')
  })

  it('goes to the helper where there is one, and into no file', async () => {
    await using home = await aHome({ credsStore: 'test' })
    await aHelper(home.path.slice(0, -'/.docker/config.json'.length))
    expect(await storeLogin('docker.io', kim, home.env, never)).toBe('docker-credential-test')
    expect(await home.read()).toEqual({ credsStore: 'test', auths: { [HUB]: {} } })
    expect(await userCredentials(home.env)('docker.io', null, never)).toEqual({ kind: 'password', ...kim })
    expect(await forgetLogin('docker.io', home.env, never)).toEqual({ wasThere: true, remains: null })
    expect(await userCredentials(home.env)('docker.io', null, never)).toBeNull()
  })

  it.each(['{', '[]', '"x"'])('is not written into a file that is none of logins: %s', async (text) => {
    await using home = await aHome({})
    await writeFile(home.path, text)
    await expect(storeLogin('r', kim, home.env, never)).rejects.toMatchObject({ code: 'REGISTRY_AUTH_FAILED' })
    expect(await readFile(home.path, 'utf8')).toBe(text)
  })
})

describe('a login that is forgotten', () => {
  it('is gone under every name of the host; the others stay', async () => {
    await using home = await aHome({
      auths: { r: { auth: 'eDp5' }, 'https://r/v2/': { auth: 'eDp5' }, s: { auth: 'eDp5' } },
    })
    expect(await forgetLogin('r', home.env, never)).toEqual({ wasThere: true, remains: null })
    expect(await home.read()).toEqual({ auths: { s: { auth: 'eDp5' } } })
    expect(await forgetLogin('r', home.env, never)).toEqual({ wasThere: false, remains: null })
  })

  it('says where another tool still has one', async () => {
    await using home = await aHome()
    const other = join(home.path, '../../.config/containers/auth.json')
    await mkdir(join(other, '..'), { recursive: true })
    await writeFile(other, JSON.stringify({ auths: { r: { auth: 'eDp5' } } }))
    expect(await forgetLogin('r', home.env, never)).toEqual({ wasThere: false, remains: other })
  })
})

describe.skipIf(!existsSync(SKOPEO))('skopeo (left out where it is not installed)', () => {
  const skopeo = (args: readonly string[], env: Record<string, string>, input = '') =>
    run(SKOPEO, args, { env: { PATH: '/usr/bin:/bin', ...env }, input, timeoutMs: 60_000, signal: never })

  it('uses the login that Naru stored, and Naru the one that skopeo stored', async () => {
    await using registry = await aRegistry({ token: 'canary-4711' })
    await anImage(registry.store, 'shop', { tags: ['v1'] })
    await using home = await aHome()
    const inspect = ['inspect', '--tls-verify=false', `docker://${registry.host}/shop:v1`]
    expect((await skopeo(inspect, { HOME: home.env.HOME })).code).not.toBe(0)
    await storeLogin(registry.host, { username: 'naru', password: 'canary-4711' }, home.env, never)
    expect(await skopeo(inspect, { HOME: home.env.HOME })).toMatchObject({ code: 0 })

    const authFile = join(home.env.HOME, 'auth.json')
    const login = [
      'login',
      '--tls-verify=false',
      '--authfile',
      authFile,
      '-u',
      'naru',
      '--password-stdin',
      registry.host,
    ]
    expect(await skopeo(login, { HOME: home.env.HOME }, 'canary-4711')).toMatchObject({ code: 0 })
    const env = { REGISTRY_AUTH_FILE: authFile }
    const store = await openRegistry(registry.host, { clock: systemClock, env: { ...home.env, ...env } })
    expect(await store.tags('shop', never)).toEqual(['v1'])
    store.close()
  })
})
