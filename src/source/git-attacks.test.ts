import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { gitSource } from './git-source.ts'
import type { ResolvedSource, Source, SourceTree } from './source.ts'
import { commit, commitTree, type Entry, git, makeRepository, temporaryFolder } from './testing.ts'

const signal = new AbortController().signal
const folder = temporaryFolder()
const canary = join(folder.path, 'canary')
let source: Source
let repository: string
let number = 0

beforeAll(() => {
  source = gitSource({ cacheFolder: join(folder.path, 'cache'), env: { PATH: process.env.PATH, HOME: folder.path } })
})
beforeEach(() => {
  repository = makeRepository(join(folder.path, `repository-${number++}`))
})
afterAll(() => folder.remove())

const resolve = (ref: string | null, url = repository): Promise<ResolvedSource> =>
  source.resolve({ kind: 'git', url, ref, folder: '', submodules: false }, signal)

/** Lays a commit out, and sees that what is read without that is the same: nothing where the checkout refuses. */
async function lay(ref: string | null = 'main', submodules = false): Promise<string> {
  const into = join(folder.path, `tree-${number++}`)
  mkdirSync(into)
  const found = await resolve(ref)
  const read = await filesOf(await source.open(found, signal))
  try {
    await source.checkout(found, into, { submodules }, signal)
  } catch (failed) {
    expect(read).toBe(null)
    throw failed
  }
  if (read !== null) expect(read).toEqual(filesIn(into))
  return into
}

async function filesOf(tree: SourceTree | null): Promise<Record<string, string> | null> {
  if (tree === null) return null
  const bytes = new Map<string, Buffer>()
  await tree.read([...new Set(tree.entries.map(({ id }) => id))], (id) => {
    bytes.set(id, Buffer.alloc(0))
    return (part) => bytes.set(id, Buffer.concat([bytes.get(id) ?? Buffer.alloc(0), part]))
  })
  await tree.close()
  return Object.fromEntries(tree.entries.map(({ path, kind, id }) => [path, `${kind} ${String(bytes.get(id))}`]))
}

/** Names are bytes (latin1), and links are not followed: a recursive readdir would. */
function filesIn(root: string, inside = ''): Record<string, string> {
  const at = (name: string) => Buffer.from(join(root, inside, name), 'latin1')
  const found = readdirSync(at(''), { encoding: 'latin1' }).map((name) => {
    const stats = lstatSync(at(name))
    if (stats.isDirectory()) return filesIn(root, join(inside, name))
    const kind = stats.isSymbolicLink() ? 'symlink' : (stats.mode & 0o100) === 0 ? 'file' : 'executable'
    const bytes = kind === 'symlink' ? readlinkSync(at(name), 'buffer') : readFileSync(at(name))
    return { [Buffer.from(join(inside, name), 'latin1').toString()]: `${kind} ${String(bytes)}` }
  })
  return Object.assign({}, ...found) as Record<string, string>
}

const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'went through',
    (thrown: { code?: string }) => thrown.code ?? String(thrown),
  )

/** Ways to start a program, all leading to the canary. */
const COMMANDS = [
  `touch ${canary}`,
  `$(touch ${canary})`,
  `\`touch ${canary}\``,
  `;touch ${canary};`,
  `|touch ${canary}`,
  `&touch ${canary}&`,
  `'\ntouch ${canary}\n'`,
  `" && touch ${canary} && "`,
  `%0atouch%20${canary}`,
]

describe('A1, A2: nothing that a user writes is executed', () => {
  const urls = COMMANDS.flatMap((command) => [
    command,
    `--upload-pack=${command}`,
    `-u${command}`,
    `--config=core.sshCommand=${command}`,
    `-oProxyCommand=${command}`,
    `ext::sh -c "${command}"`,
    `EXT::sh -c ${command}`,
    `fd::${command}`,
    `ssh://-oProxyCommand=${command}/x`,
    `ssh://x@-oProxyCommand=${command}/x`,
    `ssh://${command}@localhost:1/x`,
    `ssh://localhost:1/${command}`,
    `-oProxyCommand=${command}:x`,
    `localhost:-oProxyCommand=${command}`,
    `https://localhost:1/${command}`,
    `https://${command}@localhost:1/x`,
    `https://localhost:1/x#${command}`,
    `file://${command}`,
    `/${command}`,
    `/nonexistent/--upload-pack=${command}`,
  ])
  const refs = COMMANDS.flatMap((command) => [
    command,
    `--upload-pack=${command}`,
    `--exec=${command}`,
    `-c core.fsmonitor=${command}`,
    `refs/heads/${command}`,
    `${'a'.repeat(40)} --output=${command}`,
    `HEAD:${command}`,
  ])
  const paths = COMMANDS.flatMap((command) => [
    command,
    `--${command}`,
    `:(attr)${command}`,
    `../${command}`,
    `a/${command}`,
  ])

  it(`of ${urls.length + refs.length + paths.length} payloads`, async () => {
    expect(urls.length + refs.length + paths.length).toBeGreaterThanOrEqual(200)
    commit(repository, { a: '1' })
    const resolved = await resolve('main')
    const outcomes = [
      ...(await inTurns(urls, (url) => code(resolve(null, url)))),
      ...(await inTurns(refs, (ref) => code(resolve(ref)))),
      ...(await inTurns(paths, (path) => code(source.readFile(resolved, path, signal)))),
    ]
    expect(existsSync(canary)).toBe(false)
    const allowed = /^(SOURCE_[A-Z_]+|went through)$/
    expect(outcomes.filter((outcome) => !allowed.test(outcome))).toEqual([])
    // Reading a file that is not there is no failure; every URL and ref is one.
    expect(outcomes.slice(0, urls.length + refs.length)).not.toContain('went through')
  }, 120_000)

  it('of branches that really have such names', async () => {
    const id = commit(repository, { a: '1' })
    const names = [`$(touch\${IFS}${canary})`.replace(/[ ]/g, ''), ';id', '`id`', "a'b", 'a"b', '|id', '&id', 'ä&&id']
    for (const name of names) {
      git(repository, ['update-ref', `refs/heads/${name}`, id])
      expect((await resolve(name)).commit).toBe(id)
    }
    expect(existsSync(canary)).toBe(false)
  })

  it('of settings of the repository in which the process happens to stand', async () => {
    git(repository, ['config', 'core.sshCommand', `touch ${canary}; false`])
    git(repository, ['config', 'core.gitProxy', `touch ${canary}`])
    git(repository, ['config', 'credential.helper', `!touch ${canary}`])
    git(repository, ['config', `url.ext::touch ${canary} .insteadOf`, 'https://localhost:1'])
    const before = process.cwd()
    process.chdir(repository)
    try {
      for (const url of ['git@localhost.invalid:x', 'https://localhost:1/x']) {
        expect(await code(resolve(null, url))).toMatch(/^SOURCE_/)
      }
    } finally {
      process.chdir(before)
    }
    expect(existsSync(canary)).toBe(false)
  })

  it('of settings and hooks of the local repository, or of its folder name', async () => {
    commit(repository, { a: '1', '.gitattributes': '* filter=evil diff=evil merge=evil\n' })
    const evil = `touch ${canary}`
    const settings = [
      'core.fsmonitor',
      'core.sshCommand',
      'core.pager',
      'core.editor',
      'core.askPass',
      'core.gitProxy',
      'filter.evil.smudge',
      'filter.evil.process',
      'filter.evil.clean',
      'diff.evil.textconv',
      'diff.external',
      'credential.helper',
      'uploadpack.packObjectsHook',
      'remote.origin.uploadpack',
      'alias.rev-parse',
      'alias.log',
      'pager.log',
      'gpg.program',
    ]
    for (const setting of settings) git(repository, ['config', setting, evil])
    git(repository, ['config', 'log.showSignature', 'true'])
    git(repository, ['config', 'core.hooksPath', folder.path])
    git(repository, ['config', 'extensions.partialClone', 'origin'])
    for (const hook of ['post-checkout', 'post-index-change', 'reference-transaction', 'post-merge']) {
      writeFileSync(join(folder.path, hook), `#!/bin/sh\n${evil}\n`, { mode: 0o755 })
    }
    expect(readFileSync(join(await lay(), 'a'), 'utf8')).toBe('1')
    expect(existsSync(canary)).toBe(false)
  })
})

describe('A3, A4: a crafted repository', () => {
  const outside = () => {
    const path = join(folder.path, `outside-${number++}`)
    mkdirSync(path)
    return path
  }
  const file = (name: string, content = 'x'): Entry => ({ mode: '100644', name, content })
  const folderOf = (name: string, ...content: Entry[]): Entry => ({ mode: '40000', name, content })
  const link = (name: string, content: string): Entry => ({ mode: '120000', name, content })

  it('writes nothing through a symlink of the same name', async () => {
    const away = outside()
    commitTree(repository, [link('a', away), folderOf('a', file('planted'))])
    expect(await code(lay())).toBe('SOURCE_PATH_INVALID')
    commitTree(repository, [folderOf('a', file('planted')), link('a', away)])
    expect(await code(lay())).toBe('SOURCE_PATH_INVALID')
    commitTree(repository, [link('a', away), file('a/planted')])
    expect(await code(lay())).toBe('SOURCE_PATH_INVALID')
    expect(readdirSync(away)).toEqual([])
  })

  it('keeps symlinks as symlinks, wherever they lead', async () => {
    commitTree(repository, [link('absolute', '/etc/passwd'), link('dangling', 'nothing'), link('up', '../../..')])
    const into = await lay()
    expect(readdirSync(into).map((name) => readlinkSync(join(into, name)))).toEqual([
      '/etc/passwd',
      'nothing',
      '../../..',
    ])
  })

  it('reads files through symlinks inside the commit only', async () => {
    const away = outside()
    writeFileSync(join(away, 'secret'), 'secret')
    const inner = folderOf('inner', file('naru.yaml', 'app: inner\n'), link('up', '..'))
    commitTree(repository, [
      link('absolute', join(away, 'secret')),
      link('far', '../../../etc/passwd'),
      inner,
      link('loop', 'loop'),
      link('naru.yaml', 'inner/naru.yaml'),
    ])
    const resolved = await resolve('main')
    expect(await source.readFile(resolved, 'naru.yaml', signal)).toBe('app: inner\n')
    expect(await source.readFile(resolved, 'inner/up/naru.yaml', signal)).toBe('app: inner\n')
    expect(await code(source.readFile(resolved, 'absolute', signal))).toBe('SOURCE_PATH_INVALID')
    expect(await code(source.readFile(resolved, 'far', signal))).toBe('SOURCE_PATH_INVALID')
    expect(await source.readFile(resolved, 'loop', signal)).toBeNull()
  })

  it.each(['.git', '.GIT', '.Git', 'git~1', 'GIT~1', '.g\u200cit', '..', '.', '.git ', '.git::$INDEX_ALLOCATION'])(
    'with a folder %j is refused',
    async (name) => {
      commitTree(repository, [folderOf(name, file('config', `[core]\n\tfsmonitor = touch ${canary}\n`))])
      expect(await code(lay())).toBe('SOURCE_PATH_INVALID')
      commitTree(repository, [folderOf('sub', folderOf(name, file('config')))])
      expect(await code(lay())).toBe('SOURCE_PATH_INVALID')
    },
  )

  it('with files that differ in case only is laid out whole', async () => {
    commitTree(repository, [file('A', 'upper'), file('a', 'lower')])
    const into = await lay()
    expect([readFileSync(join(into, 'A'), 'utf8'), readFileSync(join(into, 'a'), 'utf8')]).toEqual(['upper', 'lower'])
  })

  it('has the bytes of the commit, whatever its attributes say', async () => {
    const attributes = '* text eol=crlf ident filter=lfs working-tree-encoding=UTF-16 export-ignore export-subst\n'
    const content = '$Id$ $Format:%H$\nline\n'
    commitTree(repository, [
      file('.gitattributes', attributes),
      file('a.txt', content),
      folderOf('sub', file('.gitattributes', attributes), file('b.txt', content)),
    ])
    const into = await lay()
    expect(readFileSync(join(into, 'a.txt'), 'utf8')).toBe(content)
    expect(readFileSync(join(into, 'sub/b.txt'), 'utf8')).toBe(content)
  })

  it('leaves a large file of LFS the pointer that is in the commit', async () => {
    const pointer =
      'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n'
    commitTree(repository, [
      file('.gitattributes', '*.bin filter=lfs diff=lfs merge=lfs -text\n'),
      file('large.bin', pointer),
    ])
    expect(readFileSync(join(await lay(), 'large.bin'), 'utf8')).toBe(pointer)
  })

  it('keeps names that are no UTF-8, and refuses names that are too long', async () => {
    const body = Buffer.concat([
      Buffer.from('100644 \xbe\xc8\xb3\xe7\0', 'latin1'),
      Buffer.from(git(repository, ['hash-object', '-w', '--stdin'], 'euc-kr'), 'hex'),
    ])
    const tree = git(repository, ['hash-object', '-t', 'tree', '-w', '--literally', '--stdin'], body)
    git(repository, ['update-ref', 'refs/heads/main', git(repository, ['commit-tree', '-m', 'EUC-KR', tree])])
    const [name] = readdirSync(Buffer.from(await lay()), { encoding: 'buffer' })
    expect(name?.toString('latin1')).toBe('\xbe\xc8\xb3\xe7')
    commitTree(repository, [file('n'.repeat(300))])
    expect(await code(lay())).toBe('SOURCE_PATH_INVALID')
  })

  it('lays a submodule as an empty folder, and takes none that has no URL, an option or a path of this machine', async () => {
    const id = commit(makeRepository(join(folder.path, `library-${number++}`)), { lib: 'x' })
    const modules = (url: string) => `[submodule "lib"]\n\tpath = lib\n\turl = ${url}\n`
    const lib: Entry = { mode: '160000', name: 'lib', content: id }
    commitTree(repository, [file('.gitmodules', modules('../library')), lib])
    const into = await lay()
    expect(lstatSync(join(into, 'lib')).isDirectory()).toBe(true)
    expect(readdirSync(join(into, 'lib'))).toEqual([])
    for (const url of [
      '../library',
      '/etc',
      `ext::touch ${canary}`,
      `--upload-pack=touch ${canary}`,
      `ssh://-oProxyCommand=touch ${canary}/x`,
      'file:///etc',
    ]) {
      commitTree(repository, [file('.gitmodules', modules(url)), lib])
      expect(await code(lay('main', true))).toBe('SOURCE_URL_INVALID')
    }
    commitTree(repository, [lib])
    expect(await code(lay('main', true))).toBe('SOURCE_PATH_INVALID')
    expect(existsSync(canary)).toBe(false)
  })

  it('is given back without control characters in the subject (A16)', async () => {
    commit(repository, { a: '1' }, 'Nice \u001b[31mred\u001b[0m \u0007 title\n\nbody')
    expect((await resolve(null)).subject).toBe('Nice  [31mred [0m   title')
  })
})

describe('the work tree', () => {
  it.skipIf(process.getuid?.() !== 0)(
    'tells a full disk, once there is room it goes through (F6; needs root for a tmpfs)',
    async () => {
      commit(repository, { big: 'x'.repeat(3_000_000) })
      const small = join(folder.path, 'small')
      mkdirSync(small)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small])
      try {
        const into = join(small, 'tree')
        mkdirSync(into)
        expect(await code(source.checkout(await resolve('main'), into, { submodules: false }, signal))).toBe(
          'DISK_FULL',
        )
      } finally {
        execFileSync('umount', [small])
      }
    },
  )

  it('is never laid over files that are there', async () => {
    commit(repository, { a: '1' })
    await expect(source.checkout(await resolve('main'), repository, { submodules: false }, signal)).rejects.toThrow(
      /not empty/,
    )
  })
})

/** Four at a time: most of them start a process. */
async function inTurns<T>(items: readonly string[], work: (item: string) => Promise<T>): Promise<T[]> {
  const results: T[] = []
  for (let start = 0; start < items.length; start += 4)
    results.push(...(await Promise.all(items.slice(start, start + 4).map(work))))
  return results
}
