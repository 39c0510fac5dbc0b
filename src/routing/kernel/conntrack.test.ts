import { describe, expect, it } from 'vitest'
import { parseConntrack, readConntrack } from './conntrack.ts'

describe('parseConntrack', () => {
  const text = [
    'ipv4     2 tcp      6 119 TIME_WAIT src=127.0.0.1 dst=127.0.0.1 sport=40000 dport=8080 src=127.0.0.1 dst=127.0.0.1 sport=20002 dport=40000 [ASSURED] mark=0 zone=0 use=2',
    'ipv4     2 udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=8080 src=10.0.0.2 dst=10.0.0.1 sport=8080 dport=1 mark=0 zone=0 use=2',
    'ipv6     10 tcp      6 431999 ESTABLISHED src=::1 dst=::1 sport=40001 dport=8081 packets=3 bytes=9 src=::1 dst=::1 sport=20003 dport=40001 packets=2 bytes=8 [ASSURED] mark=0 use=1',
  ].join('\n')

  it('reads both ways of a connection, with and without counters', () => {
    expect(parseConntrack(text)).toEqual([
      { client: '127.0.0.1', clientPort: 40_000, called: '127.0.0.1', calledPort: 8080, answeringPort: 20_002 },
      { client: '::1', clientPort: 40_001, called: '::1', calledPort: 8081, answeringPort: 20_003 },
    ])
  })
})

describe('readConntrack', () => {
  it('asks nobody when no port is wanted', async () => {
    expect(await readConntrack([])).toEqual([])
  })
})
