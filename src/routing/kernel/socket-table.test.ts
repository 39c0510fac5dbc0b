import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { parseSockets, readListening } from './socket-table.ts'

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'
const line = (state: string, queues: string) =>
  `  12: 0100007F:4E22 0100007F:D431 ${state} ${queues} 00:00000000 00000000  1000        0 4711 1 0000000000000000 20 4 30 10 -1`

describe('parseSockets', () => {
  it.each([
    ['an established one', '01', '00000000:00000000', { state: 'ESTABLISHED', queued: false }],
    ['one with bytes to send', '01', '00000010:00000000', { state: 'ESTABLISHED', queued: true }],
    ['one with bytes to read', '08', '00000000:00000001', { state: 'CLOSE_WAIT', queued: true }],
    ['one whose last bytes are unsent', '04', '00000001:00000000', { state: 'FIN_WAIT1', queued: true }],
    ['one that is over', '06', '00000000:00000000', { state: 'other', queued: false }],
  ])('reads %s', (_name, state, queues, expected) => {
    const rows = parseSockets(`${HEAD}\n${line(state, queues)}\n`, new Set([20_002]))
    expect(rows).toEqual([{ local: '0100007F', localPort: 20_002, remotePort: 54_321, inode: '4711', ...expected }])
  })

  it('leaves other ports out', () => {
    expect(parseSockets(line('01', '00000000:00000000'), new Set([20_003]))).toEqual([])
    expect(parseSockets(line('01', '00000000:00000000'), new Set())).toEqual([])
  })
})

describe('readListening', () => {
  it('finds a listener of this machine', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    expect(await readListening(port)).toMatchObject([{ localPort: port, state: 'LISTEN' }])
    server.close()
  })
})
