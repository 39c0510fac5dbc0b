import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { gitSource } from './git-source.ts'
import type { ResolvedSource, Source } from './source.ts'
import { commit, type Forge, git, makeRepository, startForge, temporaryFolder } from './testing.ts'

const signal = new AbortController().signal
const folder = temporaryFolder()
const repositories = join(folder.path, 'served')
const home = join(folder.path, 'home')
const env = { PATH: process.env.PATH, HOME: home }

let forge: Forge

beforeAll(async () => {
  mkdirSync(repositories)
  mkdirSync(home)
  forge = await startForge(folder.path, repositories)
  writeFileSync(join(home, '.gitconfig'), `[http]\n\tsslCAInfo = ${forge.certificate}\n`)
}, 60_000)

afterAll(() => {
  forge.server.closeAllConnections()
  forge.server.close()
  folder.remove()
})

let number = 0
let name: string
let served: string
let cache: string
let source: Source
beforeEach(() => {
  name = `team/shop-${number++}`
  served = makeRepository(join(repositories, name))
  cache = join(folder.path, `cache-${number}`)
  source = gitSource({ cacheFolder: cache, env })
  forge.stall = false
  forge.old = false
})
afterEach(() => expect(existsSync(join(folder.path, 'canary'))).toBe(false))

const resolve = (ref: string | null, url = forge.url(`${name}/.git`), from = source): Promise<ResolvedSource> =>
  from.resolve({ kind: 'git', url, ref, folder: '', submodules: false }, signal)

let trees = 0
async function contentOf(resolved: ResolvedSource, submodules = false): Promise<Record<string, string>> {
  const into = join(folder.path, `tree-${trees++}`)
  mkdirSync(into)
  await source.checkout(resolved, into, { submodules }, signal)
  const files = readdirSync(into, { recursive: true, encoding: 'utf8' }).filter((path) =>
    statSync(join(into, path)).isFile(),
  )
  return Object.fromEntries(files.sort().map((path) => [path, readFileSync(join(into, path), 'utf8')]))
}

const realGit = (): string =>
  (env.PATH ?? '')
    .split(':')
    .map((at) => join(at, 'git'))
    .find((path) => existsSync(path)) ?? 'git'

const failure = (promise: Promise<unknown>): Promise<{ code: string; message: string; hint: string; detail: object }> =>
  promise.then(
    () => Promise.reject(new Error('it went through')),
    (thrown) => thrown as never,
  )

describe('git source over https', () => {
  it('finds and lays out the branch, tag, old commit, short commit and default branch', async () => {
    const first = commit(served, { 'a.txt': '1', 'naru.yaml': 'app: shop\n' }, 'First')
    git(served, ['tag', '-a', '-m', 'annotated', 'v1'])
    const middle = commit(served, { 'a.txt': '2' })
    const last = commit(served, { 'a.txt': '3' }, 'Last')
    git(served, ['branch', 'feature/x', first])
    expect(await resolve(null)).toMatchObject({
      commit: last,
      ref: null,
      subject: 'Last',
      url: forge.url(`${name}/.git`),
    })
    const cases = [
      ['main', '3'],
      ['v1', '1'],
      ['feature/x', '1'],
      [middle, '2'],
      [middle.slice(0, 9), '2'],
    ] as const
    for (const [ref, content] of cases) {
      const resolved = await resolve(ref)
      expect(await contentOf(resolved)).toMatchObject({ 'a.txt': content })
      expect(await source.readFile(resolved, 'naru.yaml', signal)).toBe('app: shop\n')
    }
    expect(readdirSync(cache).length).toBe(1)
  })

  it('fetches no history, then only what is new, then nothing', async () => {
    const noise = () => Buffer.from(crypto.getRandomValues(new Uint8Array(60_000))).toString('base64')
    commit(served, { old: noise() })
    commit(served, { old: 'gone', big: noise() })
    forge.sentBytes()
    await resolve('main')
    const firstBytes = forge.sentBytes()
    expect(firstBytes).toBeLessThan(100_000)
    const small = commit(served, { 'small.txt': 'new' })
    const resolved = await resolve('main')
    expect(forge.sentBytes()).toBeLessThan(5_000)
    expect(await contentOf(resolved)).toMatchObject({ 'small.txt': 'new', old: 'gone' })
    forge.sentBytes()
    await resolve(small)
    expect(forge.sentBytes()).toBe(0)
  })

  it('finds a commit that is no tip also on a server that gives tips only', async () => {
    forge.old = true
    const first = commit(served, { a: '1' })
    commit(served, { a: '2' })
    await resolve('main')
    expect(await contentOf(await resolve(first))).toEqual({ a: '1' })
    expect(await failure(resolve('f'.repeat(40)))).toMatchObject({ code: 'SOURCE_REF_NOT_FOUND' })
  })

  it('names the nearest branch, and tells an unknown commit', async () => {
    commit(served, { a: '1' })
    git(served, ['branch', 'release'])
    expect(await failure(resolve('relaese'))).toMatchObject({
      code: 'SOURCE_REF_NOT_FOUND',
      hint: 'Did you mean release?',
    })
    expect(await failure(resolve('0123abc'))).toMatchObject({ code: 'SOURCE_REF_NOT_FOUND' })
    expect(await failure(resolve('f'.repeat(40)))).toMatchObject({ code: 'SOURCE_REF_NOT_FOUND' })
  })

  it('is right for many fetches at once, of the same and of other commits', async () => {
    const commits = Array.from({ length: 4 }, (_, i) => commit(served, { a: String(i), [`f${i}`]: 'x' }))
    const other = gitSource({ cacheFolder: cache, env })
    const all = [...commits, ...commits].map((id, i) => resolve(id, undefined, i % 2 ? source : other))
    for (const resolved of await Promise.all(all)) {
      expect((await contentOf(resolved)).a).toBe(String(commits.indexOf(resolved.commit)))
    }
  })

  it('goes on after a kill -9 in mid-fetch, and sweeps what it left', async () => {
    commit(served, { a: '1' })
    await resolve('main')
    const next = commit(served, { a: '2' })
    forge.stall = true
    const asked = new Promise<void>((resolved) => {
      forge.asked = resolved
    })
    const settings = JSON.stringify({
      kind: 'git',
      url: forge.url(`${name}/.git`),
      ref: next,
      folder: '',
      submodules: false,
    })
    const program = `import { gitSource } from ${JSON.stringify(fileURLToPath(new URL('./git-source.ts', import.meta.url)))}
      const source = gitSource(${JSON.stringify({ cacheFolder: cache, env })})
      await source.resolve(${settings}, new AbortController().signal)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' })
    await asked
    child.kill('SIGKILL')
    await new Promise((closed) => child.once('close', closed))
    forge.stall = false
    const [mirror = ''] = readdirSync(cache)
    const scratch = () => readdirSync(join(cache, mirror)).filter((entry) => entry.startsWith('scratch.'))
    expect(scratch()).toHaveLength(1)
    expect(await contentOf(await resolve(next))).toEqual({ a: '2' })
    const old = Date.now() / 1000 - 3600
    for (const entry of scratch()) utimesSync(join(cache, mirror, entry), old, old)
    forge.server.closeAllConnections()
    await resolve(commit(served, { a: '3' }))
    await expect.poll(scratch, { timeout: 20_000 }).toEqual([])
  })

  it('is stopped at once by its signal, and leaves nothing', async () => {
    commit(served, { a: '1' })
    forge.stall = true
    const stop = new AbortController()
    forge.asked = () => stop.abort(new Error('told to stop'))
    const call = source.resolve(
      { kind: 'git', url: forge.url(`${name}/.git`), ref: null, folder: '', submodules: false },
      stop.signal,
    )
    expect(await failure(call)).toMatchObject({ message: 'told to stop' })
    forge.stall = false
    expect(await contentOf(await resolve(null))).toEqual({ a: '1' })
  })

  it('tells a fetch that does not end', async () => {
    commit(served, { a: '1' })
    const id = git(served, ['rev-parse', 'HEAD'])
    forge.stall = true
    const hurried = gitSource({ cacheFolder: cache, env, fetchTimeoutMs: 1_500 })
    expect(await failure(resolve(id, undefined, hurried))).toMatchObject({
      code: 'SOURCE_FETCH_FAILED',
      message: expect.stringContaining('within 1.5 s'),
    })
  })

  it('tells a server that is not there, and a repository that is not there', async () => {
    expect(await failure(resolve(null, 'https://localhost:1/x.git'))).toMatchObject({ code: 'SOURCE_FETCH_FAILED' })
    expect(await failure(resolve(null, forge.url('nothing.git')))).toMatchObject({ code: 'SOURCE_NOT_FOUND' })
  })

  it('follows no redirect to another protocol (A2)', async () => {
    expect((await failure(resolve(null, forge.url('elsewhere/x.git')))).code).toMatch(/^SOURCE_/)
  })
})

describe('the mirror', () => {
  const mirrorFolder = () => join(cache, readdirSync(cache)[0] ?? '', 'repo/objects/pack')

  it('is packed anew after many fetches, and still has what is new', async () => {
    commit(served, { big: 'x'.repeat(10_000), f: '-1' })
    for (let i = 0; i < 50; i++) {
      const id = git(served, [
        'commit-tree',
        '-m',
        `c${i}`,
        git(served, ['mktree'], `100644 blob ${git(served, ['hash-object', '-w', '--stdin'], String(i))}\tf\n`),
      ])
      git(served, ['update-ref', 'refs/heads/main', id])
      await resolve(id)
    }
    expect(readdirSync(mirrorFolder()).filter((file) => file.endsWith('.idx')).length).toBeLessThan(48)
    expect(await contentOf(await resolve('main'))).toEqual({ f: '49' })
    expect(await contentOf(await resolve('main~1'.slice(0, 4)))).toEqual({ f: '49' })
    expect(await contentOf(await resolve(git(served, ['rev-parse', 'main'])))).toEqual({ f: '49' })
  }, 120_000)

  it('is dropped when it is damaged, and made anew by the next call', async () => {
    const id = commit(served, { a: 'x'.repeat(5000) })
    const resolved = await resolve('main')
    for (const file of readdirSync(mirrorFolder()).filter((one) => one.endsWith('.pack'))) {
      const path = join(mirrorFolder(), file)
      const bytes = readFileSync(path)
      bytes.fill(0xff, 12, bytes.length - 20)
      rmSync(path)
      writeFileSync(path, bytes)
    }
    expect(await failure(contentOf(resolved))).toMatchObject({ code: 'SOURCE_FETCH_FAILED', message: /damaged/ })
    expect(await failure(contentOf(resolved))).toMatchObject({
      code: 'SOURCE_FETCH_FAILED',
      message: /no longer in the cache/,
    })
    expect(await contentOf(await resolve(id))).toMatchObject({ a: 'x'.repeat(5000) })
  })
})

describe('git source over ssh', () => {
  it('asks ssh without a shell, and fetches by it', async () => {
    const id = commit(served, { a: 'by ssh' })
    const log = join(folder.path, `ssh-${number}`)
    const fake = join(folder.path, 'fake-ssh')
    // What sshd does on the other side: the last argument is a command line for the user's shell there.
    writeFileSync(
      fake,
      `#!/bin/sh\nprintf '%s\\n' "$@" > ${log}\nfor last; do :; done\nunset GIT_DIR GIT_ALLOW_PROTOCOL\nexec sh -c "$last"\n`,
      { mode: 0o755 },
    )
    source = gitSource({ cacheFolder: cache, env: { ...env, GIT_SSH: fake } })
    // Ports and other options are told only to a program that says it is OpenSSH, by its name.
    for (const url of [`git@git.example.com:${served}/.git`, `ssh://git@git.example.com${served}/.git`]) {
      const resolved = await resolve('main', url)
      expect(resolved).toMatchObject({ commit: id, url })
      expect(await contentOf(resolved)).toEqual({ a: 'by ssh' })
      expect(readFileSync(log, 'utf8')).toContain('git@git.example.com\n')
    }
  })

  it('tells an unknown host key, and refused keys', async () => {
    const fake = join(folder.path, 'refusing-ssh')
    source = gitSource({ cacheFolder: cache, env: { ...env, GIT_SSH: fake } })
    const says = (text: string) => writeFileSync(fake, `#!/bin/sh\necho '${text}' >&2\nexit 255\n`, { mode: 0o755 })
    says('Host key verification failed.')
    expect(await failure(resolve(null, 'git@host:x'))).toMatchObject({
      code: 'SOURCE_AUTH_FAILED',
      hint: /known_hosts/,
    })
    says('git@host: Permission denied (publickey).')
    expect(await failure(resolve(null, 'git@host:x'))).toMatchObject({
      code: 'SOURCE_AUTH_FAILED',
      hint: /key in the agent/,
    })
    says('ssh: connect to host host port 22: Connection refused')
    expect(await failure(resolve(null, 'git@host:x'))).toMatchObject({ code: 'SOURCE_FETCH_FAILED' })
  })
})

describe('credentials', () => {
  const withUser = (user: string) => forge.url('private/shop.git').replace('https://', `https://${user}@`)
  beforeAll(() => {
    commit(makeRepository(join(repositories, 'private/shop.git')), { a: 'private' })
  })

  it('are taken from the URL, and told to nobody (A10)', async () => {
    const resolved = await resolve(null, withUser('kim:s3cret%2Fword'))
    expect(resolved.url).toBe(forge.url('private/shop.git'))
    expect(JSON.stringify(resolved)).not.toContain('s3cret')
    expect(await contentOf(resolved)).toEqual({ a: 'private' })
    const files = readdirSync(cache, { recursive: true, encoding: 'utf8' }).map((path) => join(cache, path))
    const stored = Buffer.concat(files.filter((path) => statSync(path).isFile()).map((path) => readFileSync(path)))
    expect(stored.includes('s3cret')).toBe(false)
    expect(stored.includes(btoa('kim:s3cret/word').slice(0, 12))).toBe(false)
  })

  it('are in no argument of any program (A10)', async () => {
    const bin = join(folder.path, 'bin')
    const log = join(folder.path, 'arguments')
    mkdirSync(bin)
    writeFileSync(join(bin, 'git'), `#!/bin/sh\nprintf '%s\\n' "$@" >> ${log}\nexec ${realGit()} "$@"\n`, {
      mode: 0o755,
    })
    const watched = gitSource({ cacheFolder: `${cache}-watched`, env: { ...env, PATH: `${bin}:${env.PATH}` } })
    await resolve(null, withUser('kim:s3cret%2Fword'), watched)
    const seen = readFileSync(log, 'utf8')
    expect(seen).toContain('ls-remote')
    expect(seen).not.toMatch(/s3cret|kim/)
    expect(seen).not.toContain(btoa('kim:s3cret/word').slice(0, 12))
  })

  it('are refused with what to do, and without the password', async () => {
    for (const url of [withUser('kim:wr0ng'), forge.url('private/shop.git')]) {
      const failed = await failure(resolve(null, url))
      expect(failed).toMatchObject({ code: 'SOURCE_AUTH_FAILED' })
      expect(
        JSON.stringify({ ...failed, message: failed.message, cause: String((failed as { cause?: unknown }).cause) }),
      ).not.toContain('wr0ng')
    }
  })

  it('are taken from the credential helper of the user', async () => {
    const file = join(home, 'credentials')
    const { host } = new URL(forge.url(''))
    writeFileSync(file, `https://kim:s3cret%2Fword@${host}\n`, { mode: 0o600 })
    const settings = readFileSync(join(home, '.gitconfig'), 'utf8')
    writeFileSync(
      join(home, '.gitconfig'),
      `${settings}[credential]\n\thelper = store --file ${file}\n[url "ext::sh -c touch% ${folder.path}/canary "]\n\tinsteadOf = https://localhost\n[core]\n\tsshCommand = touch ${folder.path}/canary\n\thooksPath = ${folder.path}\n`,
    )
    expect(await contentOf(await resolve(null, forge.url('private/shop.git')))).toEqual({ a: 'private' })
    writeFileSync(join(home, '.gitconfig'), settings)
  })
})

describe('submodules', () => {
  const gitlink = (url: string) => {
    const library = makeRepository(join(repositories, `team/library-${number}`))
    const id = commit(library, { 'lib.txt': 'library' })
    commit(library, { 'lib.txt': 'newer' })
    commit(served, {
      'a.txt': '1',
      '.gitmodules': `[submodule "lib"]\n\tpath = vendor/lib\n\turl = ${url.replace('LIBRARY', `library-${number}/.git`)}\n`,
    })
    git(served, ['update-index', '--add', '--cacheinfo', `160000,${id},vendor/lib`])
    git(served, ['commit', '--quiet', '-m', 'Add library'])
  }

  it('are left out unless asked for, and then are exactly their commit', async () => {
    gitlink('../../LIBRARY')
    const resolved = await resolve('main')
    expect(Object.keys(await contentOf(resolved))).toEqual(['.gitmodules', 'a.txt'])
    expect(await contentOf(resolved, true)).toMatchObject({ 'vendor/lib/lib.txt': 'library' })
  })

  it.each([
    ['a path of this machine', '/etc'],
    ['an option', '-u./canary'],
    ['a transport helper', 'ext::touch canary'],
    ['a file URL', 'file:///etc'],
    ['an ssh host that is an option', 'ssh://-oProxyCommand=touch/x'],
    ['a way out of the server', '../../../../../../etc'],
  ])('are refused when their URL is %s (A3)', async (_what, url) => {
    gitlink(url)
    // Fsck may refuse it on the way in, else the checkout does.
    const failed = await failure(resolve('main').then((resolved) => contentOf(resolved, true)))
    expect(failed.code).toMatch(/^SOURCE_(URL_INVALID|PATH_INVALID|FETCH_FAILED|NOT_FOUND)$/)
  })
})
