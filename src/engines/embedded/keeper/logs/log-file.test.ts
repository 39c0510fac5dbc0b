import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLog } from '../../../../os/open-log.ts'
import { LogReader } from '../../log-reader.ts'
import { logParts, logTail } from './log-file.ts'
import { cutLog, LOG_RESERVE_BYTES, LOG_SEGMENTS_KEPT, releaseLog, reserveLog } from './log-room.ts'

const { signal } = new AbortController()

describe('a log that is cut', () => {
  let folder: string
  let path: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'naru-log-'))
    path = join(folder, 'web-1-1.log')
  })
  afterEach(() => rmSync(folder, { recursive: true }))
  const write = (text: string) => {
    const log = openLog(path)
    writeSync(log, text)
    closeSync(log)
  }
  const lines = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, at) => `line ${from + at}\n`).join('')

  it('keeps every line while a program goes on writing, in order and once', async () => {
    const log = openLog(path)
    const count = 200_000
    const program = `for (let i = 1; i <= ${count}; i++) require('fs').writeSync(1, 'line ' + i + '\\n')`
    const writer = spawn(process.execPath, ['-e', program], { stdio: ['ignore', log, log] })
    closeSync(log)
    const ended = once(writer, 'exit').then(() => true)
    const reader = new LogReader(path, Number.POSITIVE_INFINITY)
    const seen: string[] = []
    for (let done = false; !done; ) {
      done = await Promise.race([ended, new Promise<false>((resolve) => setImmediate(() => resolve(false)))])
      for (const line of reader.lines()) seen.push(line)
      await cutLog(path, 100_000, signal)
    }
    for (const line of reader.lines()) seen.push(line)
    expect(seen.length).toBe(count)
    expect(seen.every((line, at) => line === `line ${at + 1}`)).toBe(true)
  })

  it('gives the space back, and keeps no more than the newest segments', async () => {
    for (let cut = 0; cut < LOG_SEGMENTS_KEPT + 2; cut++) {
      write(lines(cut * 20_000 + 1, (cut + 1) * 20_000))
      expect(await cutLog(path, 100_000, signal)).toBe(true)
    }
    expect(logParts(path).filter(({ live }) => !live)).toHaveLength(LOG_SEGMENTS_KEPT)
    const { size, blocks } = statSync(path)
    expect(size).toBeGreaterThan(1_000_000)
    expect(blocks * 512).toBeLessThan(100_000)
    expect(await cutLog(path, 100_000, signal)).toBe(false)
  })

  it.each([
    [0, []],
    [1, ['line 30000']],
    [3, ['line 29998', 'line 29999', 'line 30000']],
  ])('reads the last %i lines, also from before a cut', async (tail, expected) => {
    write(lines(1, 30_000))
    await cutLog(path, 1000, signal)
    expect([...new LogReader(path, tail).lines()]).toEqual(expected)
    write('more\n')
    expect([...new LogReader(path, tail + 1).lines()]).toEqual([...expected, 'more'])
    expect([...new LogReader(path, 20_000).lines()]).toHaveLength(20_000)
  })

  it('begins anew when its program emptied it, as a shell does by > /dev/stderr', async () => {
    write(lines(1, 30_000))
    await cutLog(path, 1000, signal)
    const reader = new LogReader(path, 1)
    expect([...reader.lines()]).toEqual(['line 30000'])
    writeFileSync(path, 'anew\n')
    expect([...reader.lines()]).toEqual(['anew'])
    expect(logTail(path, 300_000, 5)).toEqual(['anew'])
    write(lines(1, 1000))
    expect(await cutLog(path, 1000, signal)).toBe(true)
    expect([...new LogReader(path, 1001).lines()]).toEqual(['anew', ...lines(1, 1000).trimEnd().split('\n')])
  })

  it('counts an unfinished line, and shows it at the end only', () => {
    write('one\ntwo\nthr')
    const reader = new LogReader(path, 2)
    expect([...reader.lines()]).toEqual(['two'])
    expect(reader.unfinished()).toBe('thr')
    expect(logTail(path, 0, 2)).toEqual(['two', 'thr'])
    expect(logTail(path, 4, 5)).toEqual(['two', 'thr'])
  })

  describe.skipIf(process.getuid?.() !== 0)('on a full disk (F6; left out: needs root for a tmpfs)', () => {
    const free = () => {
      const { bavail, bsize } = statfsSync(folder)
      return bavail * bsize
    }
    const fill = () => {
      appendFileSync(join(folder, 'ballast'), Buffer.alloc(free()))
      expect(free()).toBe(0)
    }
    const onSmallDisk = (test: () => Promise<void>) => async () => {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'naru-test', folder])
      await test().finally(() => execFileSync('umount', ['--', folder]))
    }

    it(
      'makes room by its oldest segments, and keeps the newest lines',
      onSmallDisk(async () => {
        for (const first of [10_001, 30_001, 50_001]) {
          write(lines(first, first + 19_999))
          await cutLog(path, 100_000, signal)
        }
        write(lines(70_001, 90_000))
        fill()
        expect(await cutLog(path, 100_000, signal)).toBe(true)
        expect(free()).toBeGreaterThan(0)
        const kept = [...new LogReader(path, Number.POSITIVE_INFINITY).lines()]
        expect([kept[0], kept.at(-1), kept.length]).toEqual(['line 30001', 'line 90000', 60_000])
      }),
    )

    it(
      'gives up its older half where nothing else makes room, once it has grown to twice the limit',
      onSmallDisk(async () => {
        write(lines(1, 20_000))
        fill()
        expect(await cutLog(path, 150_000, signal)).toBe(false)
        expect(readdirSync(folder).sort()).toEqual(['ballast', 'web-1-1.log'])
        const reader = new LogReader(path, 1)
        expect([...reader.lines()]).toEqual(['line 20000'])
        expect(await cutLog(path, 100_000, signal)).toBe(true)
        expect(free()).toBeGreaterThan(50_000)
        write('more\n')
        expect([...reader.lines()]).toEqual(['more'])
        const kept = [...new LogReader(path, Number.POSITIVE_INFINITY).lines()]
        expect(kept.length).toBeGreaterThan(5000)
        expect(kept).toEqual([
          ...lines(20_002 - kept.length, 20_000)
            .trimEnd()
            .split('\n'),
          'more',
        ])
        rmSync(join(folder, 'ballast'))
        write(lines(20_001, 40_000))
        expect(await cutLog(path, 100_000, signal)).toBe(true)
        expect([...new LogReader(path, 3).lines()]).toEqual(['line 39998', 'line 39999', 'line 40000'])
      }),
    )

    it(
      'has room reserved for what its program writes, gives up its oldest lines to have it again, and gives it back at the end',
      onSmallDisk(async () => {
        write(lines(10_001, 10_100))
        expect(await reserveLog(path, signal)).toBe(true)
        fill()
        for (let first = 10_101; first < 90_000; first += 20_000) {
          write(lines(first, first + 19_999))
          expect(await reserveLog(path, signal)).toBe(true)
          fill()
        }
        const kept = [...new LogReader(path, Number.POSITIVE_INFINITY).lines()]
        expect(kept.at(-1)).toBe('line 90100')
        expect(kept.length).toBeGreaterThan(20_000)
        releaseLog(path)
        expect(free()).toBeGreaterThan(LOG_RESERVE_BYTES / 16)
        expect([...new LogReader(path, Number.POSITIVE_INFINITY).lines()]).toEqual(kept)
      }),
    )
  })
})
