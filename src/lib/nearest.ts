/** The name that a mistyped one most likely means, or undefined when none is near. */
export function nearest(wrong: string, names: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Number.POSITIVE_INFINITY
  for (const name of names) {
    const distance = editDistance(wrong.toLowerCase(), name.toLowerCase())
    if (distance > farthest(wrong, name) || distance >= bestDistance) continue
    best = name
    bestDistance = distance
  }
  return best
}

/** Whether a name is so near to a mistyped one that it was most likely meant. */
export const isNear = (wrong: string, name: string): boolean => nearest(wrong, [name]) !== undefined

/** One mistake in three letters; one in a shorter name. More, and any short name would be near any other. */
const farthest = (wrong: string, name: string): number =>
  Math.max(1, Math.floor(Math.max(wrong.length, name.length) / 3))

/** Letters to insert, delete, replace, or swap with their neighbour (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swap = isSwap ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY
      next.push(Math.min(replace, swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    before = row
    row = next
  }
  return row[b.length] ?? 0
}
