import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { link, mkdir, mkdtemp, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bytesContent } from '../../image/content.ts'
import { FileTree, FOLDER } from '../../image/file-tree.ts'
import { settleLayer } from '../../image/make-layer.ts'
import { tarBytes } from '../../image/tar-bytes.ts'
import { findPrivileges } from '../../sandbox/privileges.ts'
import { findTools } from '../../sandbox/tools.ts'
import { never } from '../../testing.ts'
import { listUpper } from './collect-upper.ts'
import { addedBy } from './run-layer.ts'

const isRoot = process.geteuid?.() === 0
const SETCAP = ['/usr/sbin/setcap', '/sbin/setcap'].find((path) => existsSync(path))
const privileges = findPrivileges(findTools(process.env.PATH ?? ''))
const START = Math.floor(Date.now() / 1000) - 60

let upper = ''
beforeEach(async () => {
  upper = join(await mkdtemp(join(tmpdir(), 'naru-upper-')), 'upper')
  await mkdir(upper)
})
afterEach(() => rm(dirname(upper), { recursive: true, force: true }))
const at = (path: string) => join(upper, path)

/** What stood below: folders end in a slash. */
function below(...paths: readonly string[]): FileTree {
  const tree = new FileTree()
  const file = { ...FOLDER, type: 'file', content: bytesContent(new Uint8Array()) } as const
  for (const path of paths) tree.set(path.replace(/\/$/, ''), path.endsWith('/') ? FOLDER : file)
  return tree
}

const layerOf = async (tree = below()) => (await listUpper(upper, START, privileges, never)).layer(tree)

describe.skipIf(!isRoot)('what is in the upper folder of an overlay (needs root)', () => {
  it('becomes a layer: deletions, links in their order, times by what the command wrote', async () => {
    await mkdir(at('d'))
    await writeFile(at('d/one'), 'same')
    await link(at('d/one'), at('d-first'))
    await symlink('nowhere', at('l'))
    await writeFile(at('kept'), '')
    await utimes(at('kept'), 1000, 1000)
    execFileSync('mknod', [at('gone'), 'c', '0', '0'])
    execFileSync('mknod', [at('never-was'), 'c', '0', '0'])
    execFileSync('mkfifo', [at('pipe')])
    const layer = await layerOf(below('gone', 'd/'))
    expect(layer.map(({ p, t, l, at: time }) => [p, t, l, time])).toEqual([
      ['d', 'd', undefined, 315_532_800],
      ['d-first', 'f', undefined, null],
      ['d/one', 'h', 'd-first', null],
      ['gone', 'w', undefined, 315_532_800],
      ['kept', 'f', undefined, 1000],
      ['l', 's', 'nowhere', 315_532_800],
    ])
  })

  it('hides all that an opaque folder hides, also in folders inside it', async () => {
    await mkdir(at('o/inner'), { recursive: true })
    await writeFile(at('o/new'), '')
    // The mark is set as overlayfs would, by an archive: Node sets no attributes.
    const mark = new Map([['o', { ...FOLDER, xattrs: { 'trusted.overlay.opaque': 'y' } }]])
    const archive = Buffer.concat([...tarBytes(await settleLayer(mark, never))])
    execFileSync('tar', ['-x', '--xattrs', '--xattrs-include=*', '-C', upper], { input: archive })
    const layer = await layerOf(below('o/', 'o/old', 'o/new', 'o/inner/', 'o/inner/x', 'o/other/', 'o/other/y'))
    expect(layer.filter(({ t }) => t === 'w').map(({ p }) => p)).toEqual(['o/inner/x', 'o/old', 'o/other'])
  })

  it.skipIf(SETCAP === undefined)('keeps capabilities, through the layer’s archive too (needs setcap)', async () => {
    await writeFile(at('program'), 'x')
    execFileSync(SETCAP ?? '', ['cap_net_bind_service,cap_net_raw+ep', at('program')])
    const layer = await layerOf()
    const out = await mkdtemp(join(tmpdir(), 'naru-upper-out-'))
    try {
      const files = await settleLayer(addedBy(layer, dirname(upper)), never)
      const input = Buffer.concat([...tarBytes(files)])
      execFileSync('tar', ['-x', '--xattrs', '--xattrs-include=*', '-C', out], { input })
      const getcap = (SETCAP ?? '').replace('setcap', 'getcap')
      const read = (folder: string) => execFileSync(getcap, [join(folder, 'program')], { encoding: 'utf8' })
      expect(read(out).replace(out, '')).toBe(read(upper).replace(upper, ''))
      expect(read(out)).toContain('cap_net_raw')
    } finally {
      await rm(out, { recursive: true, force: true })
    }
  })

  it('reads a sparse file, an empty one and long names to their ends', async () => {
    const long = `${'나'.repeat(60)}/${'x'.repeat(200)}`
    await mkdir(at('나'.repeat(60)))
    await writeFile(at(long), 'long')
    await writeFile(at('empty'), '')
    await writeFile(at('sparse'), 'x')
    await truncate(at('sparse'), 3_000_000)
    const layer = await layerOf()
    expect(layer.map(({ p, s }) => [p, s])).toEqual([
      ['empty', 0],
      ['sparse', 3_000_000],
      ['나'.repeat(60), 0],
      [long, 4],
    ])
    const files = await settleLayer(addedBy(layer, dirname(upper)), never)
    expect(Buffer.concat([...tarBytes(files)]).length).toBeGreaterThan(3_000_000)
  })

  it('refuses a name that is not UTF-8', async () => {
    await writeFile(Buffer.concat([Buffer.from(at('bad-')), Buffer.from([0xff])]), '')
    await expect(layerOf()).rejects.toMatchObject({ code: 'BUILD_SOURCE_INVALID' })
  })
})
