import { basename } from 'node:path'
import type { RepositoryHost } from '../cli/host.ts'
import { dataPaths } from './data-folder.ts'

/** Git for the command line, loaded when it is asked for; its cache is that of the data folder that the command was given. */
export const repositoryHost = (folder: string): RepositoryHost => ({
  async find(around, signal) {
    const { findRepository } = await import('../source/git-work-tree.ts')
    return findRepository(around, process.env, signal)
  },
  async uncommitted(root, signal) {
    const { uncommittedChanges } = await import('../source/git-work-tree.ts')
    const { count, first } = await uncommittedChanges(root, process.env, signal)
    return { count, names: first }
  },
  async head(root, signal) {
    const commit = await ask(root, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'], signal)
    if (commit === null) return null
    return { commit, branch: await ask(root, ['symbolic-ref', '--quiet', '--short', 'HEAD'], signal) }
  },
  userName: (around, signal) => ask(around, ['config', '--get', 'user.name'], signal),
  async fileAt(root, ref, path, signal) {
    const { gitSource } = await import('../source/git-source.ts')
    const source = gitSource(cacheOptions(folder))
    const found = await source.resolve({ kind: 'git', url: root, ref, folder: '', submodules: false }, signal)
    return source.readFile(found, path, signal)
  },
  async identify(root, ref, signal) {
    const { gitSource } = await import('../source/git-source.ts')
    const { withoutUserInfo } = await import('../source/git-url.ts')
    const source = gitSource(cacheOptions(folder))
    const { commit } = await source.resolve({ kind: 'git', url: root, ref, folder: '', submodules: false }, signal)
    const remote = (await ask(root, ['config', '--get-regexp', '^remote\\..*\\.url$'], signal))?.split('\n')[0]
    const url = remote?.slice(remote.indexOf(' ') + 1) ?? ''
    // The path of another clone on this machine says nothing elsewhere.
    return { commit, url: /^(https?|ssh):|^[^/.][^/]*:/.test(url) ? withoutUserInfo(url) : basename(root) }
  },
  async pack(root, commit, kept, signal) {
    const { packCommit } = await import('../source/upload/pack-commit.ts')
    return packCommit(cacheOptions(folder), root, commit, kept, signal)
  },
})

const cacheOptions = (folder: string) => ({ cacheFolder: dataPaths(folder).mirrors, env: process.env })

/** The answer of the user's own git in the user's own folder; null: it has no answer. */
async function ask(folder: string, args: readonly string[], signal: AbortSignal): Promise<string | null> {
  const { run } = await import('../os/run.ts')
  const env = Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined || /^GIT_(DIR|WORK_TREE|INDEX_FILE|PREFIX|COMMON_DIR)$/.test(name) ? [] : [[name, value]],
    ),
  )
  const asked = await run('git', ['--no-pager', ...args], { cwd: folder, env, timeoutMs: 20_000, signal })
  const line = asked.stdout.trim()
  return asked.code === 0 && line !== '' ? line : null
}
