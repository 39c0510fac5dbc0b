/** Does all at once, and answers in their order. When one fails the others are aborted and waited for, so that nothing runs on behind the error. */
export async function together<Values extends readonly unknown[]>(
  signal: AbortSignal,
  ...tasks: { readonly [At in keyof Values]: (signal: AbortSignal) => Promise<Values[At]> }
): Promise<Values> {
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  let first: { readonly failed: unknown } | null = null
  const values = await Promise.all(
    tasks.map((task) =>
      task(either).catch((failed: unknown) => {
        // A stream that is aborted says only that it was: the reason says why.
        first ??= { failed: signal.aborted ? signal.reason : failed }
        stop.abort(failed)
      }),
    ),
  )
  const failure = first as { readonly failed: unknown } | null
  if (failure !== null) throw failure.failed
  return values as unknown as Values
}
