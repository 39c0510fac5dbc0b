import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Accepts, acceptsOf } from './accepts.ts'
import { parseTable } from './held-table.ts'
import { holds, serviceChain, tableCommand, tableName } from './nft-table.ts'
import { parseSockets } from './socket-table.ts'
import { type HeldTable, wantedTable } from './wanted-table.ts'

const EVERYWHERE: Accepts = { loopback4: true, every4: true, loopback6: true, every6: true }
const LOOPBACK: Accepts = { loopback4: true, every4: false, loopback6: false, every6: false }

const route = (host: string, accepts: Accepts, ...ports: number[]) => ({
  listen: { host, port: 8080 },
  targets: ports.map((port) => ({ port, accepts })),
})

describe('wantedTable', () => {
  it.each([
    ['a loopback address is keyed by address', '127.0.0.1', EVERYWHERE, ['at4 127.0.0.1 . 8080']],
    ['a target on loopback alone serves it', '127.0.0.1', LOOPBACK, ['at4 127.0.0.1 . 8080']],
    ['an address of the host needs a target on every address', '10.0.0.5', LOOPBACK, []],
    ['an address of the host', '10.0.0.5', EVERYWHERE, ['at4 10.0.0.5 . 8080']],
    ['every IPv4 address', '0.0.0.0', EVERYWHERE, ['any4 8080']],
    ['every IPv4 address needs a target on them', '0.0.0.0', LOOPBACK, []],
    ['every address, of both families', '::', EVERYWHERE, ['any6 8080', 'any4 8080']],
    ['an IPv6 address is written as nft prints it', '0:0:0:0:0:0:0:1', EVERYWHERE, ['at6 ::1 . 8080']],
    ['a name is left to the userland router', 'localhost', EVERYWHERE, []],
    ['an address with a zone is left to it', 'fe80::1%eth0', EVERYWHERE, []],
  ])('%s', (_name, host, accepts, services) => {
    const { services: found } = wantedTable([route(host, accepts, 20_000, 20_001)], new Set())
    expect([...found]).toEqual(services.map((service) => [service, [20_000, 20_001]]))
  })

  it('leaves a route to the userland router when one of its targets would not be reached', () => {
    const mixed = {
      listen: { host: '0.0.0.0', port: 80 },
      targets: [
        { port: 1, accepts: EVERYWHERE },
        { port: 2, accepts: LOOPBACK },
      ],
    }
    expect(wantedTable([mixed], new Set()).services.size).toBe(0)
  })

  it('has no service for a route without targets', () => {
    expect(wantedTable([route('127.0.0.1', EVERYWHERE)], new Set()).services.size).toBe(0)
  })

  it.each([0, 65_536, 1.5, Number.NaN])('refuses %s as a port', (port) => {
    expect(() => wantedTable([route('127.0.0.1', EVERYWHERE, port)], new Set())).toThrow('no port')
  })
})

describe('tableCommand', () => {
  type Services = [string, number[]][]
  const held = (services: Services, ports: number[], writer = 3): HeldTable => ({
    services: new Map(services),
    ports: new Map(ports.map((port) => [port, { connections: 0, refused: 0 }])),
    writer,
    whole: true,
  })
  const wanted = (services: Services, ports: number[]) => ({ services: new Map(services), ports: new Set(ports) })
  const [one, two, three]: Services = [
    ['at4 127.0.0.1 . 80', [1, 2]],
    ['any4 90', [9]],
    ['at6 ::1 . 80', [1]],
  ]

  it('changes only what differs, behind the element of its own writer', () => {
    const before = held([['at4 127.0.0.1 . 80', [1]], two, three] as Services, [1, 9])
    const after = wanted([one, three, ['any6 90', [2]]] as Services, [1, 2])
    expect(tableCommand('inet t', before, after, 3)?.split('; ')).toEqual([
      'delete element inet t writer { 3 }',
      'add element inet t writer { 3 }',
      'delete element inet t any4 { 90 }',
      'flush chain inet t any4_90',
      'delete chain inet t any4_90',
      'flush chain inet t at4_127_0_0_1_80',
      'add rule inet t at4_127_0_0_1_80 meta l4proto tcp redirect to : numgen inc mod 2 map { 0 : 1 , 1 : 2 }',
      'add chain inet t any6_90',
      'add rule inet t any6_90 meta l4proto tcp redirect to : numgen inc mod 1 map { 0 : 2 }',
      'add element inet t any6 { 90 : goto any6_90 }',
      'delete element inet t given { 9 }',
      'add element inet t given { 2 }',
      'delete element inet t refused { 9 }',
      'add element inet t refused { 2 }',
    ])
  })

  it('has nothing to do when the table is as it should be', () => {
    const same = [one] as Services
    expect(tableCommand('inet t', held(same, [1]), wanted(same, [1]), 3)).toBeNull()
    expect(holds(held(same, [1]), wanted(same, [1]), 3)).toBe(true)
  })

  it('takes a predecessor’s table over without touching its services', () => {
    const same = [one] as Services
    const command = tableCommand('inet t', held(same, [1], 2), wanted(same, [1]), 3)
    expect(command).toBe('flush set inet t writer; add element inet t writer { 3 }')
  })

  it.each([
    ['absent', null],
    ['in part', { ...held([], []), whole: false }],
  ])('builds one that is %s anew, with its services', (_name, before) => {
    const command = tableCommand('inet t', before, wanted([one] as Services, [1]), 3)
    expect(command).toMatch(/^add table inet t; delete table inet t; add table inet t; /)
    expect(command).toContain('add element inet t at4 { 127.0.0.1 . 80 : goto at4_127_0_0_1_80 }')
  })
})

describe('serviceChain', () => {
  it('names no two services alike', () => {
    const service = fc.oneof(
      fc.tuple(fc.ipV4(), fc.nat(65_535)).map(([host, port]) => `at4 ${host} . ${port}`),
      fc.tuple(fc.ipV6(), fc.nat(65_535)).map(([host, port]) => `at6 ${host.replace(/[.].*/, '')} . ${port}`),
      fc.tuple(fc.constantFrom('any4', 'any6'), fc.nat(65_535)).map(([map, port]) => `${map} ${port}`),
    )
    fc.assert(
      fc.property(fc.uniqueArray(service, { maxLength: 50 }), (services) => {
        const names = services.map(serviceChain)
        expect(new Set(names).size).toBe(services.length)
        for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9_]{0,126}$/)
      }),
    )
  })
})

describe('a kernel that cannot be told how long to remember a connection', () => {
  const wanted = { services: new Map<string, readonly number[]>(), ports: new Set<number>() }

  it('gets a table without it', () => {
    expect(tableCommand('inet t', null, wanted, 1)).toContain('ct timeout set')
    expect(tableCommand('inet t', null, wanted, 1, false)).not.toContain('timeout')
  })

  it.each([
    ['with it', 8 + 2 + 2 + 1, 2, true],
    ['without it', 8 + 1 + 1 + 1, 0, true],
    ['with a rule missing', 8 + 2 + 1 + 1, 2, false],
  ])('reads a table back %s', (_name, rules, timeouts, whole) => {
    const many = (kind: string, count: number) => Array.from({ length: count }, () => ({ [kind]: { name: kind } }))
    const maps = Array.from({ length: 4 }, () => ({ map: { name: 'm', map: 'verdict' } }))
    const parts = [...many('rule', rules), ...many('ct timeout', timeouts), ...many('chain', 5), ...maps]
    const printed = { nftables: [...parts, { set: { name: 'writer', elem: [3] } }] }
    expect(parseTable(printed)).toMatchObject({ whole, writer: 3 })
  })
})

describe('parseTable', () => {
  const redirect = (set: [number, number][]) => ({ redirect: { port: { map: { key: {}, data: { set } } } } })
  const printed = (chain: string, kind = 'verdict') => ({
    nftables: [
      ...Array.from({ length: 10 }, () => ({ rule: { chain: 'pre', expr: [] } })),
      { rule: { chain: 'refused', expr: [] } },
      {
        rule: {
          chain,
          expr: [
            { match: {} },
            redirect([
              [1, 20_002],
              [0, 20_001],
            ]),
          ],
        },
      },
      ...Array.from({ length: 6 }, () => ({ chain: {} })),
      { map: { name: 'at4', map: kind, elem: [[{ concat: ['127.0.0.1', 80] }, { goto: { target: chain } }]] } },
      ...Array.from({ length: 3 }, () => ({ map: { map: kind } })),
      { set: { name: 'writer', elem: [3] } },
      { set: { name: 'given', elem: [{ elem: { val: 20_001, counter: { packets: 7, bytes: 9 } } }] } },
    ],
  })

  it('reads services with the ports in turn, and counters', () => {
    expect(parseTable(printed('at4_127_0_0_1_80'))).toEqual({
      services: new Map([['at4 127.0.0.1 . 80', [20_001, 20_002]]]),
      ports: new Map([[20_001, { connections: 7, refused: 0 }]]),
      writer: 3,
      whole: true,
    })
  })

  it.each([
    ['a service whose chain is not its own', printed('at4_127_0_0_1_81')],
    ['a table of an earlier Naru', printed('at4_127_0_0_1_80', 'inet_service')],
  ])('does not take %s for whole', (_name, table) => {
    expect(parseTable(table).whole).toBe(false)
  })
})

describe('tableName', () => {
  it.each(['', 'A', 'a b', 'a;b', 'a'.repeat(33), '../x'])('refuses %j', (id) => {
    expect(() => tableName(id)).toThrow('no instance id')
  })
})

describe('acceptsOf', () => {
  it.each([
    ['0.0.0.0', '00000000', { loopback4: true, every4: true, loopback6: false, every6: false }],
    ['127.0.0.1', '0100007F', LOOPBACK],
    ['::', '0'.repeat(32), EVERYWHERE],
    ['::1', `${'0'.repeat(24)}01000000`, { loopback4: false, every4: false, loopback6: true, every6: false }],
    ['another address', '0500000A', { loopback4: false, every4: false, loopback6: false, every6: false }],
  ])('a listener on %s', (_name, local, expected) => {
    const row = `   0: ${local}:4E20 ${'0'.repeat(local.length)}:0000 0A 00000000:00000000 00:00000000 00000000     0        0 771 1 0 100`
    expect(acceptsOf(parseSockets(row, new Set([20_000])), 20_000)).toEqual(expected)
  })
})
