/** Whether looking ended well: by Ctrl-C, or because nobody reads any more. */
export const isLookedAway = (looking: AbortSignal, unread: AbortSignal): boolean =>
  unread.aborted || (looking.aborted && (looking.reason as { readonly code?: unknown }).code === 'INTERRUPTED')
