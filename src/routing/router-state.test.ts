import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  admitted,
  EMPTY_STATE,
  fenced,
  publishedElsewhere,
  removed,
  retired,
  scopeState,
  withScope,
} from './router-state.ts'
import { readState, StateFile } from './state-file.ts'

const scope = { app: 'shop', environment: 'prod' }
const target = (port = 20_000) => ({
  replica: 'web-1-1',
  role: 'web',
  revision: 1,
  address: { host: '127.0.0.1', port },
})
const known = admitted(scopeState(EMPTY_STATE, scope), target(), 10)

describe('the router’s state', () => {
  it.each([
    ['admitted again, nothing changes', admitted(known, target(), 20), 'Active', 10],
    ['admitted at another port, it is new', admitted(known, target(20_001), 20), 'Active', 20],
    ['drained', retired(known, 'web-1-1', 'Draining', 20), 'Draining', 20],
    ['drained twice', retired(retired(known, 'web-1-1', 'Draining', 20), 'web-1-1', 'Draining', 30), 'Draining', 20],
    ['gone', retired(known, 'web-1-1', 'Down', 20), 'Down', 20],
    ['gone and admitted again', admitted(retired(known, 'web-1-1', 'Down', 20), target(), 30), 'Active', 30],
    ['another is drained', retired(known, 'web-1-9', 'Draining', 20), 'Active', 10],
  ])('%s', (_name, state, expected, sinceMs) => {
    expect(state.targets).toMatchObject([{ replica: 'web-1-1', state: expected, sinceMs }])
  })

  it('forgets a removed target, and one that it does not know', () => {
    expect(removed(removed(known, 'web-1-1'), 'web-1-1').targets).toEqual([])
  })

  it.each([
    [4, false],
    [5, true],
    [6, true],
  ])('after token 5, token %i is let through: %s', (token, passes) => {
    const state = withScope(EMPTY_STATE, { ...known, token: 5 })
    const attempt = () => fenced(state, scope, token)
    if (passes) expect(attempt().token).toBe(token)
    else expect(attempt).toThrow('older than 5')
  })

  it('finds an address of another scope, never its own', () => {
    const routes = [{ role: 'web', listen: { host: '127.0.0.1', port: 8080 } }]
    const state = withScope(EMPTY_STATE, { ...known, routes })
    expect(publishedElsewhere(state, scope, routes)).toBeNull()
    expect(publishedElsewhere(state, { app: 'blog', environment: 'prod' }, routes)?.scope).toEqual(scope)
  })
})

describe('the state file', () => {
  it('reads back what was written last, also when writes overlap', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'naru-state-'))
    const path = join(folder, 'router.json')
    let state = EMPTY_STATE
    const file = new StateFile(path, () => state)
    const writes: Promise<void>[] = []
    for (let generation = 1; generation <= 20; generation++) {
      state = { ...state, generation }
      writes.push(file.save())
    }
    await Promise.all(writes)
    expect((await readState(path)).generation).toBe(20)
    expect(await readState(join(folder, 'absent'))).toEqual(EMPTY_STATE)
    await writeFile(path, '{"shape":99}')
    await expect(readState(path)).rejects.toMatchObject({ code: 'ROUTER_FAILED' })
    await rm(folder, { recursive: true })
  })
})
