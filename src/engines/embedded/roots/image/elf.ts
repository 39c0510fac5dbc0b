/** What the start of an ELF file says (elf(5)). */
export interface ElfFacts {
  /** As Node spells it: `x64`, `arm64`; else `machine 243`. */
  readonly architecture: string
  /** PT_INTERP; null: linked statically. */
  readonly loader: string | null
}

const MACHINES: Readonly<Record<number, string>> = {
  3: 'ia32',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  22: 's390x',
  21: 'ppc64',
  243: 'riscv64',
}
const PT_INTERP = 3

/** Reads the first 64 KB of a file; null: no ELF. Loaders stand near the start in every file that linkers make. */
export function elfFacts(start: Buffer): ElfFacts | null {
  if (start.length < 64 || start.toString('latin1', 0, 4) !== '\x7fELF') return null
  const [wide, little] = [start[4] === 2, start[5] === 1]
  const number = (at: number, bytes: number) =>
    at + bytes > start.length ? 0 : little ? start.readUIntLE(at, bytes) : start.readUIntBE(at, bytes)
  const machine = number(18, 2)
  const table = wide ? number(32, 6) : number(28, 4)
  const [entrySize, count] = wide ? [number(54, 2), number(56, 2)] : [number(42, 2), number(44, 2)]
  let loader: string | null = null
  for (let at = 0; at < count; at++) {
    const entry = table + at * entrySize
    if (number(entry, 4) !== PT_INTERP) continue
    const [offset, size] = wide
      ? [number(entry + 8, 6), number(entry + 32, 6)]
      : [number(entry + 4, 4), number(entry + 16, 4)]
    loader = start.toString('utf8', offset, Math.min(offset + size, offset + 4096)).replace(/\0.*$/s, '') || null
  }
  return { architecture: MACHINES[machine] ?? `machine ${machine}`, loader }
}
