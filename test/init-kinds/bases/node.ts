import { realpath, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { call } from '../../peers/call.ts'
import { type Base, path } from '../base.ts'
import { copyFolder, copyProgram } from '../base-root.ts'

export const nodeBase: Base = {
  name: 'node:24-slim',
  missing: async () =>
    call('npm', ['view', 'ms', 'version'], { timeoutMs: 60_000 }).then(
      () => null,
      () => 'npm with its registry',
    ),
  async fill(root) {
    await copyProgram(root, process.execPath, '/usr/local/bin/node')
    const npm = dirname(dirname(await realpath((await call('which', ['npm'])).trim())))
    await copyFolder(npm, join(root, 'usr/local/lib/node_modules/npm'))
    for (const name of ['npm', 'npx']) {
      await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, join(root, 'usr/local/bin', name))
    }
    return [path('/usr/local/bin'), 'CMD ["node"]']
  },
}
