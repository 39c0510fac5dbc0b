/**
 * Does `work` for all items, at most `limit` at a time, and answers in their order. When one fails the others are aborted
 * and waited for, so that nothing runs on behind the error.
 */
export async function mapLimited<Item, Value>(
  items: readonly Item[],
  limit: number,
  signal: AbortSignal,
  work: (item: Item, signal: AbortSignal) => Promise<Value>,
): Promise<readonly Value[]> {
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  const values: Value[] = []
  const queue = items.entries()
  const worker = async () => {
    for (const [at, item] of queue) {
      either.throwIfAborted()
      values[at] = await work(item, either)
    }
  }
  let first: { readonly failed: unknown } | null = null
  const workers = Array.from({ length: Math.min(limit, items.length) }, () =>
    worker().catch((failed: unknown) => {
      first ??= { failed }
      stop.abort(failed)
    }),
  )
  await Promise.all(workers)
  const failure = first as { readonly failed: unknown } | null
  if (failure !== null) throw failure.failed
  return values
}
