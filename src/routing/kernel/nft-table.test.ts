import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Accepts,
  acceptsOf,
  type HeldTable,
  holds,
  parseTable,
  SLOTS,
  tableCommand,
  tableName,
  wantedTable,
} from './nft-table.ts'
import { parseSockets } from './socket-table.ts'

const EVERYWHERE: Accepts = { loopback4: true, every4: true, loopback6: true, every6: true }
const LOOPBACK: Accepts = { loopback4: true, every4: false, loopback6: false, every6: false }

const route = (host: string, accepts: Accepts, ...ports: number[]) => ({
  listen: { host, port: 8080 },
  targets: ports.map((port) => ({ port, accepts })),
})

describe('wantedTable', () => {
  it.each([
    ['a loopback address is keyed by address', '127.0.0.1', EVERYWHERE, ['at4 127.0.0.1 . 8080 . 0']],
    ['a target on loopback alone serves it', '127.0.0.1', LOOPBACK, ['at4 127.0.0.1 . 8080 . 0']],
    ['an address of the host needs a target on every address', '10.0.0.5', LOOPBACK, []],
    ['an address of the host', '10.0.0.5', EVERYWHERE, ['at4 10.0.0.5 . 8080 . 0']],
    ['every IPv4 address', '0.0.0.0', EVERYWHERE, ['any4 8080 . 0']],
    ['every IPv4 address needs a target on them', '0.0.0.0', LOOPBACK, []],
    ['every address, of both families', '::', EVERYWHERE, ['any6 8080 . 0', 'any4 8080 . 0']],
    ['an IPv6 address is written as nft prints it', '0:0:0:0:0:0:0:1', EVERYWHERE, ['at6 ::1 . 8080 . 0']],
    ['a name is left to the userland router', 'localhost', EVERYWHERE, []],
    ['an address with a zone is left to it', 'fe80::1%eth0', EVERYWHERE, []],
  ])('%s', (_name, host, accepts, firstSlots) => {
    const keys = [...wantedTable([route(host, accepts, 20000)], new Set()).elements.keys()]
    expect(keys.filter((key) => key.endsWith(' . 0'))).toEqual(firstSlots)
    expect(keys).toHaveLength(firstSlots.length * SLOTS)
  })

  it('fills the slots in proportion, so that no target gets two more than another', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 65_535 }), { minLength: 1, maxLength: 64 }), (ports) => {
        const { elements } = wantedTable([route('127.0.0.1', EVERYWHERE, ...ports)], new Set())
        const counts = ports.map((port) => [...elements.values()].filter((each) => each === port).length)
        expect(elements.size).toBe(SLOTS)
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('leaves a route to the userland router when one of its targets would not be reached', () => {
    const mixed = {
      listen: { host: '0.0.0.0', port: 80 },
      targets: [
        { port: 1, accepts: EVERYWHERE },
        { port: 2, accepts: LOOPBACK },
      ],
    }
    expect(wantedTable([mixed], new Set()).elements.size).toBe(0)
  })

  it('has no element for a route without targets', () => {
    expect(wantedTable([route('127.0.0.1', EVERYWHERE)], new Set()).elements.size).toBe(0)
  })

  it.each([0, 65_536, 1.5, Number.NaN])('refuses %s as a port', (port) => {
    expect(() => wantedTable([route('127.0.0.1', EVERYWHERE, port)], new Set())).toThrow('no port')
  })
})

describe('tableCommand', () => {
  const held = (elements: [string, number][], ports: number[], writer = 3): HeldTable => ({
    elements: new Map(elements),
    ports: new Map(ports.map((port) => [port, { connections: 0, refused: 0 }])),
    writer,
    whole: true,
  })
  const wanted = (elements: [string, number][], ports: number[]) => ({
    elements: new Map(elements),
    ports: new Set(ports),
  })

  it('changes only what differs, behind the element of its own writer', () => {
    const before = held(
      [
        ['at4 a . 0', 1],
        ['at4 a . 1', 1],
        ['any4 b . 0', 9],
      ],
      [1, 9],
    )
    const after = wanted(
      [
        ['at4 a . 0', 1],
        ['at4 a . 1', 2],
      ],
      [1, 2],
    )
    expect(tableCommand('inet t', before, after, 3)?.split('; ')).toEqual([
      'delete element inet t writer { 3 }',
      'add element inet t writer { 3 }',
      'delete element inet t at4 { a . 1 }',
      'add element inet t at4 { a . 1 : 2 }',
      'delete element inet t any4 { b . 0 }',
      'delete element inet t given { 9 }',
      'add element inet t given { 2 }',
      'delete element inet t refused { 9 }',
      'add element inet t refused { 2 }',
    ])
  })

  it('has nothing to do when the table is as it should be', () => {
    const same: [string, number][] = [['at4 a . 0', 1]]
    expect(tableCommand('inet t', held(same, [1]), wanted(same, [1]), 3)).toBeNull()
    expect(holds(held(same, [1]), wanted(same, [1]), 3)).toBe(true)
  })

  it('takes a predecessor’s table over without touching its elements', () => {
    const same: [string, number][] = [['at4 a . 0', 1]]
    const command = tableCommand('inet t', held(same, [1], 2), wanted(same, [1]), 3)
    expect(command).toBe('flush set inet t writer; add element inet t writer { 3 }')
  })

  it.each([
    ['absent', null],
    ['in part', { ...held([], []), whole: false }],
  ])('builds one that is %s anew, with its elements', (_name, before) => {
    const command = tableCommand('inet t', before, wanted([['at4 a . 0', 1]], [1]), 3)
    expect(command).toMatch(/^add table inet t; delete table inet t; add table inet t; /)
    expect(command).toContain('add element inet t at4 { a . 0 : 1 }')
  })
})

describe('a kernel that cannot be told how long to remember a connection', () => {
  const wanted = { elements: new Map<string, number>(), ports: new Set<number>() }

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
    const parts = [...many('rule', rules), ...many('ct timeout', timeouts), ...many('chain', 5), ...many('map', 4)]
    const printed = { nftables: [...parts, { set: { name: 'writer', elem: [3] } }] }
    expect(parseTable(printed)).toMatchObject({ whole, writer: 3 })
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
