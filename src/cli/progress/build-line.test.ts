import { describe, expect, it } from 'vitest'
import type { Event } from '../../model/event.ts'
import { StepLogs } from './step-logs.ts'
import { type BuildEvent, endedStep, type LogEvent, timedLine } from './build-line.ts'
import { failureLines, withoutLog } from '../show/failure.ts'
import { PLAIN } from '../show/paint.ts'
import { EMPTY_SCENE, nextScene, sceneLines } from './scene.ts'

const frame = { app: 'shop', environment: 'local', id: 1, operation: 'o', rollout: null }
const step = (number: number, more: Partial<BuildEvent> = {}): BuildEvent => ({
  ...frame,
  ...{ atMs: 1000, kind: 'build', state: 'started', number, stage: 'deps', step: 3, steps: 4 },
  ...{ instruction: 'RUN npm ci', cached: false, tookMs: 0 },
  ...more,
})
const line = (number: number, text: string): LogEvent => ({
  ...frame,
  ...{ atMs: 2000, kind: 'log', from: 'RUN line 3', line: text, step: { number, afterMs: 512 } },
})

describe('the foot of a terminal while a Dockerfile is built', () => {
  const station: Event = { ...frame, atMs: 0, kind: 'station', station: 'build', state: 'started', note: 'Dockerfile' }
  const lines = Array.from({ length: 9 }, (_, index) => line(1, `line ${index + 1}`))
  const events: readonly Event[] = [station, step(1), ...lines, line(1, ' '), step(2, { instruction: 'COPY . .' })]
  const scene = events.reduce(nextScene, EMPTY_SCENE)

  it('shows each running step with its time and the end of its output', () => {
    expect(sceneLines(scene, 13_300, { width: 50, height: 24 }, PLAIN)).toEqual([
      '⠸ build Dockerfile  13.3 s',
      ' => [deps 3/4] RUN npm ci                    12.3s',
      ...[4, 5, 6, 7, 8, 9].map((number) => ` => => # line ${number}`),
      ' => [deps 3/4] COPY . .                      12.3s',
    ])
  })

  it.each([
    [{ width: 50, height: 9 }, ['line 8', 'line 9']],
    [{ width: 50, height: 5 }, []],
  ])('shows less of it where there is little room: %j', (size, shown) => {
    const drawn = sceneLines(scene, 13_300, size, PLAIN)
    expect(drawn.length).toBeLessThanOrEqual(size.height - 2)
    expect(drawn.filter((one) => one.includes('=> => #')).map((one) => one.slice(9))).toEqual(shown)
  })

  it('is cut to the width', () => {
    const drawn = sceneLines(scene, 13_300, { width: 20, height: 24 }, PLAIN)
    expect(drawn).toContain(' => [deps 3/4… 12.3s')
    expect(Math.max(...drawn.map((one) => one.length))).toBeLessThanOrEqual(20)
  })

  it('forgets a step that ended', () => {
    const after = nextScene(scene, step(1, { state: 'finished' }))
    expect(sceneLines(after, 13_300, { width: 50, height: 24 }, PLAIN)).toHaveLength(2)
  })
})

it.each([
  [{ state: 'finished', tookMs: 1234 }, ' => [deps 3/4] RUN npm ci            1.2s'],
  [{ state: 'finished', cached: true }, ' => CACHED [deps 3/4] RUN npm ci     0.0s'],
  [{ state: 'failed', tookMs: 61_000 }, ' => ERROR [deps 3/4] RUN npm ci     61.0s'],
  [{ state: 'canceled', stage: '' }, ' => CANCELED [3/4] RUN npm ci        0.0s'],
] as const)('a step that ended stays as a line: %j', (more, expected) => {
  expect(endedStep(step(1, more), 41, PLAIN)).toBe(expected)
})

it.each([
  ['한국어 이름', 16, '한국어 이름 0.0s'],
  ['한국어 이름', 12, '한국어… 0.0s'],
  ['RUN x', 6, 'RUN x'],
])('the time stands at the edge, counted as a terminal does: %s in %i', (text, width, expected) => {
  expect(timedLine(text, 0, width)).toBe(expected)
})

describe('the log of a step that fails', () => {
  it('is told whole, that of others is not', () => {
    const logs = new StepLogs()
    for (const event of [line(1, 'a'), line(2, 'other'), line(1, 'b')]) logs.keep(event)
    expect(logs.end(step(2, { state: 'finished' }))).toEqual([])
    expect(logs.end(step(1, { state: 'failed' }))).toEqual([
      ...['------', ' > [deps 3/4] RUN npm ci:', '0.512 a', '0.512 b', '------'],
    ])
    expect(logs.end(step(3, { state: 'failed' }))).toEqual([])
  })

  it('says how much of a very long one is left out', () => {
    const logs = new StepLogs()
    for (let count = 0; count < 40_001; count++) logs.keep(line(1, `${count}`))
    const told = logs.end(step(1, { state: 'failed' }))
    expect(told.slice(2, 4)).toEqual(['… 20000 lines before these', '0.512 20000'])
    expect(told.slice(-2)).toEqual(['0.512 40000', '------'])
  })

  it('is not repeated by the failure below it', () => {
    const message = 'Dockerfile:3:1: RUN npm ci\nended with exit code 1; its last lines:\na\nb'
    const failure = { code: 'BUILD_RUN_FAILED', message, hint: 'h', detail: { line: 3, lastLines: 2 } } as const
    expect(failureLines(withoutLog(failure))).toEqual([
      'error BUILD_RUN_FAILED: Dockerfile:3:1: RUN npm ci',
      '  ended with exit code 1',
      '  h',
    ])
    expect(withoutLog({ ...failure, detail: {} }).message).toBe(message)
  })
})
