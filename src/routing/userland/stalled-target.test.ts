import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, it } from 'vitest'
import { ask, freePort, StubKeeper, startReplica, until } from '../testing.ts'

/** A replica of a process of its own, which can be stopped like one on a machine without a free processor. */
const REPLICA = `
const server = require('node:http').createServer((_, answer) => answer.end('{"replica":"stalled","revision":1}'))
server.listen({ port: 0, host: '::', backlog: 1024 }, () => console.log(server.address().port))
`

it('gives few connections to a target that stands still, and loses none of them', { timeout: 120_000 }, async () => {
  const scope = { app: 'shop', environment: 'prod' }
  const { signal } = new AbortController()
  const keeper = await StubKeeper.open('none')
  const child = spawn(process.execPath, ['-e', REPLICA], { stdio: ['ignore', 'pipe', 'inherit'] })
  const others = [await startReplica('web-1-2', 1), await startReplica('web-1-3', 1)]
  try {
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const address = { host: '127.0.0.1', port: Number(line.toString()) }
    const listen = { host: '127.0.0.1', port: await freePort() }
    await keeper.client.publish(scope, [{ role: 'web', listen }], 1, signal)
    await keeper.client.admit(scope, { replica: 'stalled', role: 'web', revision: 1, address }, 1, signal)
    for (const { target } of others) await keeper.client.admit(scope, target, 1, signal)
    child.kill('SIGSTOP')
    const asked: Promise<unknown>[] = []
    const lost: string[] = []
    let answered = 0
    for (let batch = 1; batch <= 12; batch++) {
      for (let n = 0; n < 30; n++) {
        asked.push(
          ask(listen).then(
            () => answered++,
            (why: Error) => lost.push(why.message),
          ),
        )
      }
      // In even spread a third of all would wait for it: 120.
      await until('all but some are answered', () => answered >= asked.length - 90)
    }
    child.kill('SIGCONT')
    await Promise.all(asked)
    // On a very busy machine the patience of a client may end before the target goes on.
    expect(lost.filter((why) => why !== 'timed out')).toEqual([])
  } finally {
    child.kill('SIGKILL')
    await keeper.close()
    for (const other of others) await other.close()
  }
})
