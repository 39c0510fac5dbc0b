import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { chooseSockets } from './choose-sockets.ts'
import type { Binding } from '../../os/internal-handles.ts'

const real = (process as unknown as { readonly binding: Binding }).binding

/** Node's own parts with one of them changed. */
const changed =
  (name: string, change: Record<string, unknown>): Binding =>
  (asked) =>
    asked === name ? { ...real(asked), ...change } : real(asked)

class Other {
  onread = () => {}
}

it('takes the handles where all that is used of them is there and works', async () => {
  const notes: string[] = []
  expect((await chooseSockets('handles', (note) => notes.push(note))).name).toBe('handles')
  expect(notes).toEqual([])
})

it('takes node:net without a word where that is asked for', async () => {
  const notes: string[] = []
  expect((await chooseSockets('net', (note) => notes.push(note))).name).toBe('net')
  expect(notes).toEqual([])
})

const refused: Binding = () => {
  throw new Error('Access to this API has been restricted')
}

it.each<readonly [string, Binding, string]>([
  ['they may not be had', refused, 'restricted'],
  ['there is nothing of the name', () => undefined as never, 'undefined'],
  ['a class is missing', changed('tcp_wrap', { TCPConnectWrap: undefined }), 'no class TCPConnectWrap'],
  ['a class of streams is missing', changed('stream_wrap', { WriteWrap: null }), 'no class WriteWrap'],
  ['a method is missing', changed('tcp_wrap', { TCP: Other }), 'no method useUserBuffer'],
  ['the kind of a handle is missing', changed('tcp_wrap', { constants: undefined }), 'no constant SOCKET'],
  [
    'the state is something else',
    changed('stream_wrap', { streamBaseState: [0, 0, 0, 0] }),
    'no array streamBaseState',
  ],
  ['a place in the state is missing', changed('stream_wrap', { kReadBytesOrError: undefined }), 'no places'],
  ['the shape is right and the meaning is not', changed('stream_wrap', { kReadBytesOrError: 1 }), 'no end within'],
])('takes node:net where %s, and says why', { timeout: 60_000 }, async (_name, binding, why) => {
  const notes: string[] = []
  expect((await chooseSockets('handles', (note) => notes.push(note), binding)).name).toBe('net')
  expect(notes).toEqual([expect.stringContaining(why)])
  expect(notes[0]).toContain(process.versions.node)
})

it.each([
  ['--pending-deprecation', 'handles'],
  ['--throw-deprecation', 'handles'],
  ['--permission', 'net'],
])('prints no warning and does not fail under %s', (flag, expected) => {
  const module = fileURLToPath(new URL('./choose-sockets.ts', import.meta.url))
  const code = `const { chooseSockets } = await import(${JSON.stringify(module)})
    const { name } = await chooseSockets('handles', () => {})
    process.stdout.write(name)`
  const flags = [flag, '--pending-deprecation', ...(flag === '--permission' ? ['--allow-fs-read=*'] : [])]
  const { stdout, stderr, status } = spawnSync(process.execPath, [...flags, '--input-type=module', '--eval', code], {
    encoding: 'utf8',
  })
  expect({ stdout, stderr, status }).toEqual({ stdout: expected, stderr: '', status: 0 })
})
