/** An entry as a test wants it, right or wrong. */
export interface TestEntry {
  readonly name: string | Buffer
  readonly type?: string
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly link?: string
  readonly content?: string
  /** Bytes over the header at an offset, before its checksum is made. */
  readonly field?: readonly [number, string | Buffer]
}

/** A tar archive (ustar) byte for byte as asked for, so that it may be one that no tar program writes. */
export function testTar(entries: readonly TestEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(entryBytes), Buffer.alloc(1024)])
}

function entryBytes({
  name,
  type = '0',
  mode = 0o644,
  uid = 0,
  gid = 0,
  link = '',
  content = '',
  field,
}: TestEntry): readonly Buffer[] {
  const block = Buffer.alloc(512)
  const long = typeof name === 'string' && name.length > 100
  Buffer.from(long ? 'long' : name).copy(block)
  const numbers = [
    [mode, 100, 7],
    [uid, 108, 7],
    [gid, 116, 7],
    [Buffer.byteLength(content), 124, 11],
    [1000, 136, 11],
  ] as const
  for (const [value, at, width] of numbers) block.write(value.toString(8).padStart(width, '0'), at, 'latin1')
  block.write(type, 156)
  block.write(link, 157, 100)
  block.write('ustar\u000000', 257)
  if (field !== undefined) Buffer.from(field[1]).copy(block, field[0])
  block.write('        ', 148)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, 148)
  const body = Buffer.alloc(Math.ceil(Buffer.byteLength(content) / 512) * 512)
  body.write(content)
  return long
    ? [...entryBytes({ name: '././@LongLink', type: 'L', content: `${name}\u0000` }), block, body]
    : [block, body]
}
