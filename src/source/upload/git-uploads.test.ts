import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DeployError } from '../../model/failure.ts'
import { gitSource } from '../git-source.ts'
import type { ResolvedSource } from '../source.ts'
import { commit, commitTree, type Entry, git, makeRepository, temporaryFolder } from '../testing.ts'
import { type GitUploadsOptions, gitUploads } from './git-uploads.ts'
import { packCommit } from './pack-commit.ts'

const signal = new AbortController().signal
let folder: ReturnType<typeof temporaryFolder>
let repository: string
let cacheFolder: string

beforeEach(() => {
  folder = temporaryFolder()
  repository = makeRepository(join(folder.path, 'client', 'shop'))
  cacheFolder = join(folder.path, 'server')
})
afterEach(() => folder.remove())

const server = (more: Partial<GitUploadsOptions> = {}) => gitUploads({ cacheFolder, env: process.env, ...more })
const client = () => ({ cacheFolder: join(folder.path, 'client', 'cache'), env: process.env })

/** What a client does; answers how many bytes were sent. */
async function send(id: string, options: { from?: string; more?: Partial<GitUploadsOptions> } = {}): Promise<number> {
  const uploads = server(options.more)
  const { isHere, kept } = await uploads.find(id)
  if (isHere) return 0
  await using pack = await packCommit(client(), options.from ?? repository, id, kept, signal)
  await uploads.receive(id, pack.open(), signal)
  return pack.bytes
}

const resolve = (id: string, url = 'https://git.example.com/shop.git'): Promise<ResolvedSource> =>
  gitSource({ cacheFolder, env: process.env }).resolve(
    { kind: 'git', url, upload: id, ref: null, folder: '', submodules: false },
    signal,
  )

async function lay(id: string, submodules = false): Promise<string> {
  const into = join(folder.path, `tree-${id.slice(0, 8)}-${submodules}`)
  mkdirSync(into)
  await gitSource({ cacheFolder, env: process.env }).checkout(await resolve(id), into, { submodules }, signal)
  return into
}

const failure = (promise: Promise<unknown>): Promise<DeployError> =>
  promise.then(
    () => expect.fail('went through'),
    (thrown: DeployError) => thrown,
  )

async function* bytes(content: Uint8Array, pieces = 3): AsyncGenerator<Uint8Array> {
  const size = Math.ceil(content.length / pieces)
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size)
}

/** A pack as any program could make it: of the objects that are named, without git's help in choosing them. */
function packOf(objects: readonly string[]): Buffer {
  return execFileSync('git', ['pack-objects', '--stdout', '-q'], { cwd: repository, input: `${objects.join('\n')}\n` })
}

const objectsOf = (id: string) => git(repository, ['rev-list', '--objects', '--no-walk', id]).split('\n')

/** Nothing of a refused upload is left but empty folders. */
function keptFiles(): string[] {
  const uploads = join(cacheFolder, 'uploads')
  return [
    ...readdirSync(join(uploads, 'commits')),
    ...readdirSync(join(uploads, 'repo', 'objects', 'pack')),
    ...readdirSync(uploads).filter((name) => name.startsWith('scratch.')),
  ]
}

describe('a commit that is sent', () => {
  it('is read and laid out where its repository never was', async () => {
    commit(repository, { 'old.txt': 'before' })
    const id = commit(repository, { 'naru.yaml': 'app: shop\n', 'deep/er/file': 'x', 'old.txt': 'after' }, 'Second')
    await send(id)
    renameSync(join(folder.path, 'client'), join(folder.path, 'gone'))
    const source = await resolve(id)
    expect(source).toMatchObject({ commit: id, subject: 'Second', isUpload: true, ref: null })
    expect(await gitSource({ cacheFolder, env: process.env }).readFile(source, 'naru.yaml', signal)).toBe('app: shop\n')
    const tree = await lay(id)
    expect(readFileSync(join(tree, 'old.txt'), 'utf8')).toBe('after')
    expect(readFileSync(join(tree, 'deep/er/file'), 'utf8')).toBe('x')
    expect(existsSync(join(tree, '.git'))).toBe(false)
  })

  it('travels without its history, and the next one without what the server has', async () => {
    const noise = (seed: number) => createHash('shake256', { outputLength: 20_000 }).update(`${seed}`).digest('hex')
    commit(repository, { 'removed.bin': noise(3), 'same.bin': noise(5) })
    git(repository, ['rm', '-q', 'removed.bin'])
    const first = commit(repository, { 'a.txt': '1' })
    expect(await server().find(first)).toEqual({ isHere: false, kept: [] })
    const whole = await send(first)
    const second = commit(repository, { 'a.txt': '2' })
    expect(await send(second)).toBeLessThan(1000)
    expect(whole).toBeGreaterThan(20_000)
    expect(whole).toBeLessThan(40_000)
    expect(await send(second)).toBe(0)
    expect((await server().find(second)).kept).toEqual([second, first])
    expect(readFileSync(join(await lay(second), 'same.bin'), 'utf8')).toBe(noise(5))
  })

  it.each([
    ['a linked worktree', (from: string, to: string) => git(from, ['worktree', 'add', '-q', '--detach', to])],
    ['a bare clone', (from: string, to: string) => git(from, ['clone', '-q', '--bare', from, to])],
    ['a shallow clone', (from: string, to: string) => git(from, ['clone', '-q', '--depth=1', `file://${from}`, to])],
    ['a clone that borrows objects', (from: string, to: string) => git(from, ['clone', '-q', '--shared', from, to])],
  ])('may come from %s', async (_name, make) => {
    commit(repository, { a: '1' })
    const id = commit(repository, { a: '2', 'b/c': '3' })
    const other = join(folder.path, 'client', 'other')
    make(repository, other)
    await send(id, { from: other })
    expect(readFileSync(join(await lay(id), 'b/c'), 'utf8')).toBe('3')
  })

  it('may be of a repository with SHA-256 ids', async () => {
    const other = makeRepository(join(folder.path, 'client', 'sha256'), '--object-format=sha256')
    const id = commit(other, { a: '1' })
    await send(id, { from: other })
    expect(readFileSync(join(await lay(id), 'a'), 'utf8')).toBe('1')
  })

  it('is told as missing in part by a partial clone, before anything is sent', async () => {
    git(repository, ['config', 'uploadpack.allowFilter', 'true'])
    const id = commit(repository, { a: '1' })
    const other = join(folder.path, 'client', 'partial')
    git(repository, ['clone', '-q', '--no-checkout', '--filter=blob:none', `file://${repository}`, other])
    const refused = await failure(send(id, { from: other }))
    expect(refused).toMatchObject({
      code: 'SOURCE_FETCH_FAILED',
      message: expect.stringContaining('does not have all'),
    })
    expect(refused.hint).toContain('partial clone')
    expect(keptFiles()).toEqual([])
  })

  it('is refused with its submodules, and laid out without them', async () => {
    const entries: Entry[] = [
      { mode: '100644', name: '.gitmodules', content: '[submodule "lib"]\n\tpath = lib\n\turl = ../lib.git\n' },
      { mode: '100644', name: 'a', content: '1' },
      { mode: '160000', name: 'lib', content: 'ab'.repeat(20) },
    ]
    const id = commitTree(repository, entries)
    await send(id)
    expect(readdirSync(await lay(id))).toEqual(['.gitmodules', 'a', 'lib'])
    const refused = await failure(lay(id, true))
    expect(refused).toMatchObject({
      code: 'SOURCE_UPLOAD_INVALID',
      message: expect.stringContaining('submodules (lib)'),
    })
  })

  it.each([
    ['https://kim:secret@git.example.com/shop.git', 'https://git.example.com/shop.git'],
    ['shop\u001b[2J\nx', 'shop [2J x'],
    ['', 'a repository elsewhere'],
    ['--upload-pack=touch x', '--upload-pack=touch x'],
  ])('is called %j by its sender, and is shown as %j', async (told, shown) => {
    const id = commit(repository, { a: '1' })
    await send(id)
    expect((await resolve(id, told)).url).toBe(shown)
  })

  it('is asked for anew when it is not there', async () => {
    const refused = await failure(resolve('ab'.repeat(20)))
    expect(refused).toMatchObject({ code: 'SOURCE_FETCH_FAILED', hint: expect.stringContaining('sent anew') })
    expect(await failure(resolve('../../etc/passwd'))).toMatchObject({ code: 'SOURCE_REF_NOT_FOUND' })
  })

  it('is asked for anew when what was kept is damaged', async () => {
    const id = commit(repository, { a: '1' })
    await send(id)
    const packs = join(cacheFolder, 'uploads/repo/objects/pack')
    for (const name of readdirSync(packs)) {
      renameSync(join(packs, name), join(packs, 'old'))
      writeFileSync(join(packs, name), 'damaged')
    }
    expect(await failure(resolve(id))).toMatchObject({ code: 'SOURCE_FETCH_FAILED' })
    await send(id)
    expect((await resolve(id)).commit).toBe(id)
  })
})

describe('what clients send is checked before it is kept (A2, A3)', () => {
  const refuse = async (id: string, pack: Uint8Array, more: Partial<GitUploadsOptions> = {}) => {
    const refused = await failure(server(more).receive(id, bytes(pack), signal))
    expect(keptFiles()).toEqual([])
    return refused
  }

  it('refuses what is no pack, or damaged in the middle, or cut', async () => {
    const id = commit(repository, { a: '1', b: 'x'.repeat(5000) })
    const pack = packOf(objectsOf(id).map((line) => line.slice(0, 40)))
    const flipped = Buffer.from(pack)
    flipped[40] = (flipped[40] ?? 0) ^ 0xff
    for (const sent of [Buffer.from('no pack at all'), Buffer.alloc(0), flipped, pack.subarray(0, -30)]) {
      expect(await refuse(id, sent)).toMatchObject({ code: 'SOURCE_UPLOAD_INVALID' })
    }
  })

  it('refuses another commit than was announced, and an object that is no commit', async () => {
    const first = commit(repository, { a: '1' })
    const second = commit(repository, { a: '2' })
    const pack = packOf(objectsOf(first).map((line) => line.slice(0, 40)))
    const other = await refuse(second, pack)
    expect(other).toMatchObject({
      code: 'SOURCE_UPLOAD_INVALID',
      message: expect.stringContaining('does not have the'),
    })
    const tree = git(repository, ['rev-parse', `${first}^{tree}`])
    expect(await refuse(tree, pack)).toMatchObject({ code: 'SOURCE_UPLOAD_INVALID' })
  })

  it.each(['blob', 'tree'])('refuses a commit that lacks a %s', async (kind) => {
    const id = commit(repository, { 'a/b': '1', c: '2' })
    const all = objectsOf(id).map((line) => line.slice(0, 40))
    const lacking = kind === 'blob' ? `${id}:c` : `${id}:a`
    const missing = git(repository, ['rev-parse', lacking])
    const refused = await refuse(id, packOf(all.filter((object) => object !== missing)))
    expect(refused).toMatchObject({ code: 'SOURCE_UPLOAD_INVALID' })
  })

  const file = { mode: '100644', content: 'x' } as const
  it.each<[string, readonly Entry[]]>([
    ['..', [{ mode: '40000', name: '..', content: [{ ...file, name: 'x' }] }]],
    ['../x', [{ ...file, name: '../x' }]],
    ['.', [{ mode: '40000', name: '.', content: [{ ...file, name: 'x' }] }]],
    ['.git', [{ mode: '40000', name: '.git', content: [{ ...file, name: 'config' }] }]],
    ['.GIT', [{ mode: '40000', name: '.GIT', content: [{ ...file, name: 'config' }] }]],
    ['git~1', [{ mode: '40000', name: 'git~1', content: [{ ...file, name: 'config' }] }]],
    ['/etc/x', [{ ...file, name: '/etc/x' }]],
    [
      'a symlink and a folder of one name',
      [
        { mode: '120000', name: 'a', content: '/tmp' },
        { mode: '40000', name: 'a', content: [{ ...file, name: 'x' }] },
      ],
    ],
    [
      'a submodule that is an option',
      [
        { mode: '100644', name: '.gitmodules', content: '[submodule "x"]\n\tpath = x\n\turl = -u./evil\n' },
        { mode: '160000', name: 'x', content: 'ab'.repeat(20) },
      ],
    ],
    ['.gitmodules as a symlink', [{ mode: '120000', name: '.gitmodules', content: '/etc/passwd' }]],
  ])('refuses a tree with %s', async (_name, entries) => {
    const id = commitTree(repository, entries)
    const refused = await refuse(id, packOf(objectsOf(id).map((line) => line.slice(0, 40))))
    expect(refused).toMatchObject({ code: 'SOURCE_PATH_INVALID' })
  })

  it('refuses more bytes than it takes, and says how many', async () => {
    const id = commit(repository, { a: '1' })
    const pack = packOf(objectsOf(id).map((line) => line.slice(0, 40)))
    const refused = await refuse(id, pack, { maxBytes: 100 })
    expect(refused).toMatchObject({ code: 'SOURCE_TOO_LARGE', message: expect.stringContaining('100 bytes') })
  })

  it('ends with a client that goes or stands still, and takes the same commit when it comes again', async () => {
    const id = commit(repository, { a: '1' })
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield packOf([id]).subarray(0, 20)
      throw new Error('aborted')
    }
    const cut = await failure(server().receive(id, broken(), signal))
    expect(cut).toMatchObject({ code: 'SOURCE_UPLOAD_INVALID', message: expect.stringContaining('after 20 bytes') })
    async function* still(): AsyncGenerator<Uint8Array> {
      yield packOf([id]).subarray(0, 20)
      await new Promise((_, reject) => signal.addEventListener('abort', reject))
    }
    const slow = await failure(server({ timeoutMs: 300 }).receive(id, still(), signal))
    expect(slow).toMatchObject({ code: 'SOURCE_FETCH_FAILED', message: expect.stringContaining('did not finish') })
    expect(keptFiles()).toEqual([])
    await send(id)
    expect((await resolve(id)).commit).toBe(id)
  })

  it('takes an old commit of an honest project', async () => {
    const tree = git(repository, ['write-tree'])
    const raw = `tree ${tree}\nauthor Kim <kim@example.com> 1 +51800\ncommitter Kim <kim@example.com> 1 +51800\n\nOld\n`
    const id = git(repository, ['hash-object', '-t', 'commit', '-w', '--literally', '--stdin'], raw)
    await send(id)
    expect((await resolve(id)).subject).toBe('Old')
  })
})

describe('what is kept', () => {
  const small = (spareMs: number) => ({ packs: 3, commits: 2, spareMs })

  it('is the newest commits, packed anew, and old ones go', async () => {
    const ids: string[] = []
    for (let n = 0; n < 5; n++) {
      ids.push(commit(repository, { a: String(n), [`own-${n}`]: String(n) }))
      await send(ids.at(-1) ?? '', { more: { limits: small(0) } })
    }
    const [oldest = '', , , , newest = ''] = ids
    expect((await server().find(newest)).kept).not.toContain(oldest)
    expect(await failure(resolve(oldest))).toMatchObject({ code: 'SOURCE_FETCH_FAILED' })
    expect(readFileSync(join(await lay(newest), 'own-0'), 'utf8')).toBe('0')
    await send(oldest)
    expect(readFileSync(join(await lay(oldest), 'a'), 'utf8')).toBe('0')
  })

  it('is everything that was used lately, however much that is', async () => {
    const ids: string[] = []
    for (let n = 0; n < 6; n++) {
      ids.push(commit(repository, { a: String(n) }))
      await send(ids.at(-1) ?? '', { more: { limits: small(60_000) } })
    }
    expect((await server().find(ids[0] ?? '')).kept.toSorted()).toEqual(ids.toSorted())
    for (const id of ids) expect((await resolve(id)).commit).toBe(id)
  })

  it('is whole when many send at once and it is packed anew meanwhile', async () => {
    const ids = Array.from({ length: 8 }, (_, n) => commit(repository, { a: String(n) }))
    const uploads = server({ limits: small(60_000) })
    await Promise.all(
      ids.map(async (id) => {
        await using pack = await packCommit(client(), repository, id, [], signal)
        await uploads.receive(id, pack.open(), signal)
      }),
    )
    for (const [n, id] of ids.entries()) expect(readFileSync(join(await lay(id), 'a'), 'utf8')).toBe(String(n))
  })
})
