import { existsSync, readdirSync } from 'node:fs'
import { mkdir, symlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { type Base, path } from '../base.ts'
import { copyFolder, copyLibraries, copyProgram } from '../base-root.ts'

export const pythonBase: Base = {
  name: 'python:3.13-slim',
  missing: async () => (python() === null ? 'Python 3.13' : null),
  async fill(root) {
    const prefix = python() ?? ''
    const modules = join(prefix, 'lib/python3.13')
    await copyProgram(root, join(prefix, 'bin/python3.13'), '/usr/local/bin/python3.13')
    for (const name of ['python', 'python3']) await symlink('python3.13', join(root, 'usr/local/bin', name))
    await copyFolder(modules, join(root, 'usr/local/lib/python3.13'), [
      './test',
      './idlelib',
      './site-packages',
      '__pycache__',
      './config-*',
    ])
    await mkdir(join(root, 'usr/local/lib/python3.13/site-packages'), { recursive: true })
    const dynamic = readdirSync(join(modules, 'lib-dynload')).filter(
      (name) => !/tkinter|_test|curses|readline|dbm/.test(name),
    )
    await copyLibraries(
      root,
      dynamic.map((name) => join(modules, 'lib-dynload', name)),
    )
    return [path('/usr/local/bin')]
  },
}

/** Where a Python 3.13 is that can make virtual environments. */
function python(): string | null {
  const versions = join(homedir(), '.pyenv/versions')
  const own = existsSync(versions)
    ? readdirSync(versions)
        .filter((name) => name.startsWith('3.13.'))
        .map((name) => join(versions, name))
    : []
  return [...own, '/usr/local'].find((prefix) => existsSync(join(prefix, 'lib/python3.13/ensurepip'))) ?? null
}
