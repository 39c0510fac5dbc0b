import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const ENV = {
  PATH: process.env.PATH ?? '',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Kim',
  GIT_AUTHOR_EMAIL: 'kim@example.com',
  GIT_AUTHOR_DATE: '2026-01-02T03:04:05Z',
  GIT_COMMITTER_NAME: 'Kim',
  GIT_COMMITTER_EMAIL: 'kim@example.com',
  GIT_COMMITTER_DATE: '2026-01-02T03:04:05Z',
}

/** A folder under the system's temporary one, and how to get rid of it. */
export function temporaryFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'naru-source-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Runs git in a folder, for making repositories; its output without the last newline. */
export function git(folder: string, args: readonly string[], input?: string | Buffer): string {
  const options = { cwd: folder, env: ENV, stdio: ['pipe', 'pipe', 'pipe'] as ['pipe', 'pipe', 'pipe'] }
  return execFileSync('git', ['-c', 'protocol.file.allow=always', ...args], {
    ...options,
    ...(input === undefined ? {} : { input }),
  })
    .toString()
    .replace(/\n$/, '')
}

/** A repository with a work tree and the branch main, without a commit. */
export function makeRepository(folder: string, ...flags: readonly string[]): string {
  mkdirSync(folder, { recursive: true })
  git(folder, ['init', '--quiet', '--initial-branch=main', ...flags])
  return folder
}

/** Commits files (path → content) and gives the commit id. */
export function commit(folder: string, files: Readonly<Record<string, string>>, subject = 'Change'): string {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  git(folder, ['add', '--all'])
  git(folder, ['commit', '--quiet', '--allow-empty', '-m', subject])
  return git(folder, ['rev-parse', 'HEAD'])
}

/** One entry of a hand-made tree. */
export interface Entry {
  readonly mode: '100644' | '100755' | '120000' | '40000' | '160000'
  readonly name: string
  readonly content: string | Buffer | readonly Entry[]
}

/** Writes a tree that git itself would refuse to make, byte by byte, and commits it on main. Gitlinks: `content` is the id. */
export function commitTree(folder: string, entries: readonly Entry[]): string {
  const tree = writeTree(folder, entries)
  const id = git(folder, ['commit-tree', '-m', 'Crafted', tree])
  git(folder, ['update-ref', 'refs/heads/main', id])
  return id
}

function writeTree(folder: string, entries: readonly Entry[]): string {
  const parts = entries.map(({ mode, name, content }) => {
    const id =
      mode === '160000'
        ? String(content)
        : Array.isArray(content)
          ? writeTree(folder, content as readonly Entry[])
          : git(folder, ['hash-object', '-w', '--stdin'], content as string | Buffer)
    return Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')])
  })
  return git(folder, ['hash-object', '-t', 'tree', '-w', '--literally', '--stdin'], Buffer.concat(parts))
}
