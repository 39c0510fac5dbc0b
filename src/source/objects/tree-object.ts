/** One line of a tree: what has which name. */
export interface TreeLine {
  /** In octal digits: 40000 is a tree, 160000 a commit of another repository. */
  readonly mode: string
  readonly name: string
  readonly id: string
}

/** Reads a tree (`<mode> <name>\0<id>` without end, again and again). `idBytes`: 20 of SHA-1, 32 of SHA-256. null: it is damaged. */
export function parseTree(bytes: Buffer, idBytes: number): readonly TreeLine[] | null {
  const lines: TreeLine[] = []
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at)
    const end = bytes.indexOf(0, space)
    const next = end + 1 + idBytes
    if (space < 0 || end < 0 || next > bytes.length) return null
    const id = bytes.toString('hex', end + 1, next)
    lines.push({ mode: bytes.toString('latin1', at, space), name: bytes.toString('utf8', space + 1, end), id })
    at = next
  }
  return lines
}
