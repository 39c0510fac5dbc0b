/** One piece of work for all who ask for the same while it goes on; `keep` makes it go on until something else has ended. */
export function shared<T>(
  all: Map<string, Promise<T>>,
  key: string,
  work: (keep: (until: Promise<unknown>) => void) => Promise<T>,
): Promise<T> {
  const running = all.get(key)
  if (running !== undefined) return running
  let kept: Promise<unknown> = Promise.resolve()
  const begun = work((until) => {
    kept = until
  })
  all.set(key, begun)
  const forget = () => void all.delete(key)
  begun.then(() => kept.then(forget, forget), forget)
  return begun
}
