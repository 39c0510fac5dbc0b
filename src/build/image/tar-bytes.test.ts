import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { unpackTar } from 'modern-tar'
import { describe, expect, it } from 'vitest'
import { bytesContent } from './content.ts'
import type { FileEntry } from './file-entry.ts'
import { fileTime } from './file-time.ts'
import { type LayerFile, tarBytes } from './tar-bytes.ts'

const ID = `sha256:${'ab'.repeat(32)}`

function aFile(path: string, more: Partial<FileEntry> = {}, text = 'text'): LayerFile {
  const content = bytesContent(Buffer.from(text))
  const entry = { type: 'file', uid: 0, gid: 0, mode: 0o644, mtime: 'content', content, ...more } as LayerFile['entry']
  return { path, entry, id: ID }
}

const tar = (files: readonly LayerFile[]) => Buffer.concat([...tarBytes(files)])
const read = (files: readonly LayerFile[]) => unpackTar(new Uint8Array(tar(files)), { strict: true })

describe('tarBytes', () => {
  it.each([
    ['short', 'a/b'],
    ['100 characters', 'x'.repeat(100)],
    ['101 characters', 'x'.repeat(101)],
    ['1,000 characters', `${'folder/'.repeat(140)}file`],
    ['Korean', '배포/나루.txt'],
    ['a long Korean one', '가'.repeat(120)],
    ['blanks and line ends', 'a b\nc'],
  ])('keeps a name: %s', async (_name, path) => {
    const [entry] = await read([aFile(path)])
    expect(entry?.header).toMatchObject({ name: path, size: 4, type: 'file' })
    expect(Buffer.from(entry?.data ?? []).toString()).toBe('text')
  })

  it('keeps owners beyond what ustar can say, set-id bits and times', async () => {
    const [entry] = await read([aFile('a', { uid: 4_000_000_000, gid: 2_097_152, mode: 0o4755 })])
    expect(entry?.header).toMatchObject({ uid: 4_000_000_000, gid: 2_097_152, mode: 0o4755 })
    expect(entry?.header.mtime?.getTime()).toBe(fileTime(ID) * 1000)
    expect(entry?.header.uname ?? '').toBe('')
  })

  it('keeps links of any length', async () => {
    const target = `${'../'.repeat(60)}나루`
    const [entry] = await read([aFile('l', { type: 'symlink', target, mtime: 5 } as Partial<FileEntry>)])
    expect(entry?.header).toMatchObject({ type: 'symlink', linkname: target, size: 0 })
  })

  it('is read by GNU tar without a complaint', () => {
    const bytes = tar([aFile('d', { type: 'directory', mode: 0o755 }), aFile(`d/${'n'.repeat(200)}`), aFile('d/나루')])
    const listed = execFileSync('tar', ['-tf', '-', '--quoting-style=literal'], {
      input: bytes,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    expect(listed.trim().split('\n')).toEqual(['d/', `d/${'n'.repeat(200)}`, 'd/나루'])
  })

  it('gives back any files, and is a whole number of blocks', async () => {
    const path = fc.stringMatching(/^[a-z가-힣]{1,60}(\/[a-z가-힣 ]{1,80}){0,3}$/)
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(path, fc.string({ maxLength: 2000 })), { selector: ([name]) => name, maxLength: 6 }),
        async (files) => {
          const entries = files.map(([name, text]) => aFile(name, {}, text))
          expect(tar(entries).length % 512).toBe(0)
          const found = (await read(entries)).map(({ header, data }) => [
            header.name,
            Buffer.from(data ?? []).toString(),
          ])
          expect(found).toEqual(files.map(([name, text]) => [name, Buffer.from(text).toString()]))
        },
      ),
      { numRuns: 50 },
    )
  })
})
