import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { parseConntrack } from './conntrack.ts'
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

describe('parseConntrack', () => {
  const text = [
    'ipv4     2 tcp      6 119 TIME_WAIT src=127.0.0.1 dst=127.0.0.1 sport=40000 dport=8080 src=127.0.0.1 dst=127.0.0.1 sport=20002 dport=40000 [ASSURED] mark=0 zone=0 use=2',
    'ipv4     2 udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=8080 src=10.0.0.2 dst=10.0.0.1 sport=8080 dport=1 mark=0 zone=0 use=2',
    'ipv6     10 tcp      6 431999 ESTABLISHED src=::1 dst=::1 sport=40001 dport=8081 packets=3 bytes=9 src=::1 dst=::1 sport=20003 dport=40001 packets=2 bytes=8 [ASSURED] mark=0 use=1',
  ].join('\n')

  it('reads both ways of a connection, with and without counters', () => {
    expect(parseConntrack(text, { clientPorts: null, calledPorts: null })).toEqual([
      { client: '127.0.0.1', clientPort: 40_000, called: '127.0.0.1', calledPort: 8080, answeringPort: 20_002 },
      { client: '::1', clientPort: 40_001, called: '::1', calledPort: 8081, answeringPort: 20_003 },
    ])
  })

  it('leaves other ports out', () => {
    const found = (clientPorts: number[] | null, calledPorts: number[] | null) =>
      parseConntrack(text, { clientPorts, calledPorts }).map(({ clientPort }) => clientPort)
    expect(found(null, [8081])).toEqual([40_001])
    expect(found([40_000, 1], [8080])).toEqual([40_000])
    expect(found([40_000], [8081])).toEqual([])
    expect(found([4000], null)).toEqual([])
    expect(found([], null)).toEqual([])
  })
})
