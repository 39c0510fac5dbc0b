import { together } from './together.ts'

/** Does `work` for all items, at most `limit` at a time, and answers in their order. When one fails the others are aborted and waited for. */
export async function mapLimited<Item, Value>(
  items: readonly Item[],
  limit: number,
  signal: AbortSignal,
  work: (item: Item, signal: AbortSignal) => Promise<Value>,
): Promise<readonly Value[]> {
  const values: Value[] = []
  const queue = items.entries()
  const worker = async (either: AbortSignal) => {
    for (const [at, item] of queue) {
      either.throwIfAborted()
      values[at] = await work(item, either)
    }
  }
  await together(signal, ...Array.from({ length: Math.min(limit, items.length) }, () => worker))
  return values
}
