import { execFileSync } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { gitSource } from '../../source/git-source.ts'
import type { SourceTree } from '../../source/source.ts'
import { git } from '../../source/testing.ts'
import { aBuild, never, type TestBuild } from '../testing.ts'

const FILES = {
  Dockerfile: 'FROM scratch\nWORKDIR /app\nCOPY deps deps/\nCOPY src src/\nADD more.tar /more/\nCMD ["/app/src/run"]\n',
  '.dockerignore': '**/*.log\n!src/keep.log\n',
  'deps/a/one.js': 'one',
  'deps/b/two.js': 'two',
  'deps/b/same.js': 'one',
  'src/run': { run: '#!/bin/sh\n' },
  'src/link': { link: '../deps/a' },
  'src/out.log': 'out',
  'src/keep.log': 'kept',
  'src/empty': '',
  'src/한글.txt': '안녕',
} as const

/** What of a commit was read. */
interface Opened extends SourceTree {
  readonly asked: string[]
}

/** Commits the tree of a build; opens it, and lays it out beside. */
async function committed(build: TestBuild): Promise<{ readonly tree: Opened; readonly laid: string }> {
  git(build.root, ['add', '--all'])
  git(build.root, ['commit', '-qm', 'Change'])
  const source = gitSource({ cacheFolder: join(build.folder, 'mirrors'), env: process.env })
  const settings = { kind: 'git', url: build.root, ref: null, folder: '', submodules: false } as const
  const found = await source.resolve(settings, never)
  const laid = join(build.folder, `laid-${found.commit}`)
  await mkdir(laid)
  await source.checkout(found, laid, { submodules: false }, never)
  const tree = await source.open(found, never)
  if (tree === null) throw new Error('no tree')
  const asked: string[] = []
  const pathOf = new Map(tree.entries.map(({ id, path }) => [id, path]))
  const read: SourceTree['read'] = (ids, take) => {
    asked.push(...ids.map((id) => pathOf.get(id) ?? ''))
    return tree.read(ids, take)
  }
  return { laid, tree: { ...tree, asked, read } }
}

async function aRepository(files: Parameters<typeof aBuild>[0] = FILES): Promise<TestBuild> {
  const build = await aBuild(files)
  execFileSync('tar', ['-cf', 'more.tar', '--mtime=@1', '--owner=0', '--group=0', 'deps'], { cwd: build.root })
  git(build.root, ['init', '-q', '-b', 'main'])
  return build
}

describe('a commit that is not laid out', () => {
  it('gives the digest that its work tree gives', async () => {
    await using build = await aRepository()
    const { tree, laid } = await committed(build)
    const [fromCommit, fromFolder] = [await build.run({ root: tree }), await build.run({ root: laid })]
    await tree.close()
    expect(fromCommit.artifact.digest).toBe(fromFolder.artifact.digest)
    const { files } = await build.image({ root: laid })
    expect(files['app/src/keep.log']).toContain('kept')
    expect(files['app/src/out.log']).toBe(undefined)
    expect(files['app/src/link']).toBe('l ../deps/a')
  })

  it('is read only where something changed', async () => {
    await using build = await aRepository()
    const first = await committed(build)
    await build.run({ root: first.tree })
    await first.tree.close()
    await build.write({ 'src/empty': 'not any more' })
    const second = await committed(build)
    const changed = await build.run({ root: second.tree })
    const { asked } = second.tree
    await second.tree.close()
    expect(asked.filter((path) => path.startsWith('deps/'))).toEqual([])
    expect(asked).toContain('src/empty')
    expect(changed.artifact.digest).toBe((await build.run({ root: second.laid })).artifact.digest)
  })

  it('sees a change of nothing but the mode, and of nothing but a name', async () => {
    await using build = await aRepository()
    const digests = new Set<string>()
    const buildIt = async () => {
      const { tree, laid } = await committed(build)
      const { artifact } = await build.run({ root: tree })
      await tree.close()
      expect(artifact.digest).toBe((await build.run({ root: laid })).artifact.digest)
      digests.add(artifact.digest)
    }
    await buildIt()
    execFileSync('chmod', ['-x', join(build.root, 'src/run')])
    await buildIt()
    execFileSync('mv', [join(build.root, 'src/empty'), join(build.root, 'src/empty2')])
    await buildIt()
    expect(digests.size).toBe(3)
  })

  it('may be larger than what is held in memory', async () => {
    const huge = `${'0123456789abcdef'.repeat(600_000)}end`
    await using build = await aRepository({ ...FILES, 'src/huge': huge, 'src/also': `${huge}2`, 'deps/huge2': huge })
    const { tree, laid } = await committed(build)
    const { artifact } = await build.run({ root: tree })
    await tree.close()
    expect(artifact.digest).toBe((await build.run({ root: laid })).artifact.digest)
  })

  it('is refused as its work tree is', async () => {
    await using build = await aRepository({ 'deps/a': 'a' })
    const { tree, laid } = await committed(build)
    for (const root of [tree, laid]) {
      await expect(build.run({ root })).rejects.toMatchObject({ code: 'DOCKERFILE_NOT_FOUND' })
      await expect(build.run({ root, context: 'none' })).rejects.toMatchObject({ code: 'BUILD_COPY_SOURCE_MISSING' })
      await expect(build.run({ root, context: '../' })).rejects.toMatchObject({ code: 'BUILD_PATH_ESCAPES' })
    }
    await tree.close()
  })
})
