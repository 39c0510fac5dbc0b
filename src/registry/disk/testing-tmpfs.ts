import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file system of some size, which goes with its test. */
export interface Tmpfs extends Disposable {
  readonly path: string
}

/** `options` as mount(8) has them: `size=64k`. null: we may not mount. */
export function aTmpfs(options: string): Tmpfs | null {
  const path = mkdtempSync(join(tmpdir(), 'naru-full-'))
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'naru-test', path])
  if (status !== 0) {
    rmdirSync(path)
    return null
  }
  return {
    path,
    [Symbol.dispose]: () => {
      spawnSync('umount', ['-l', path])
      rmdirSync(path)
    },
  }
}

/** Whether this user may mount. */
export function mayMount(): boolean {
  using tried = aTmpfs('size=64k')
  return tried !== null
}
