import { PassThrough } from 'node:stream'
import type { WriteStream } from 'node:tty'
import { expect, it } from 'vitest'
import { Screen } from './screen.ts'

/** A screen of this size, and what it has written since the last look. */
function screenOf(columns: number, rows: number) {
  const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), { columns, rows })
  const screen = new Screen(stream as unknown as WriteStream)
  return { screen, stream, written: () => String(stream.read() ?? '').replace('\x1b[?25l', '') }
}

it('goes back over every row of its foot, wrapped ones and wide letters included', () => {
  const { screen, stream, written } = screenOf(20, 24)
  screen.draw(['a'.repeat(20), 'b'.repeat(21), '나루'.repeat(11), '', '\x1b[32mgreen\x1b[39m'])
  written()
  screen.draw(['next'])
  expect(written()).toBe('\r\x1b[8A\x1b[Jnext\n')
  stream.columns = 3
  screen.print('stays')
  expect(written(), 'a narrower terminal has wrapped it').toBe('\r\x1b[2A\x1b[Jstays\nnext\n')
})

it('draws no more than fits above the cursor, because what has scrolled out cannot be drawn again', () => {
  const { screen, written } = screenOf(10, 4)
  screen.draw(['one', 'x'.repeat(15), 'two', 'three'])
  expect(written()).toBe(`\r\x1b[Jone\n${'x'.repeat(15)}\n`)
  screen.draw([])
  expect(written()).toBe('\r\x1b[3A\x1b[J')
})
