/** What is told of a commit. */
export interface CommitObject {
  readonly tree: string
  readonly committedAtMs: number
  /** The first paragraph of its message in one line (git-log(1), %s), without control characters, at most 200 characters. */
  readonly subject: string
}

/** Reads a commit (gitformat-commit: header lines, an empty line, the message). null: it is none. */
export function parseCommit(bytes: Uint8Array): CommitObject | null {
  const latin = Buffer.from(bytes).toString('latin1')
  const end = latin.indexOf('\n\n')
  const head = end < 0 ? latin : latin.slice(0, end)
  const tree = /^tree ([0-9a-f]{40,64})$/m.exec(head)?.[1]
  if (tree === undefined) return null
  const seconds = /^committer .*> (-?\d{1,15}) /m.exec(head)?.[1]
  const encoding = /^encoding (.+)$/m.exec(head)?.[1]
  const message = end < 0 ? '' : decoded(bytes.subarray(end + 2), encoding)
  return { tree, committedAtMs: Number(seconds ?? 0) * 1000, subject: subjectOf(message) }
}

/** The object that an annotated tag names. null: it is no tag. */
export const tagged = (bytes: Uint8Array): string | null =>
  /^object ([0-9a-f]{40,64})\n/.exec(Buffer.from(bytes).toString('latin1'))?.[1] ?? null

function subjectOf(message: string): string {
  const lines = message.split('\n').map((line) => line.trim())
  const first = lines.findIndex((line) => line !== '')
  const end = lines.indexOf('', first)
  const paragraph = first < 0 ? [] : lines.slice(first, end < 0 ? undefined : end)
  return paragraph
    .join(' ')
    .replace(/\p{Cc}/gu, ' ')
    .slice(0, 200)
}

/** Commits are UTF-8 unless they say otherwise (i18n.commitEncoding); an encoding that nobody knows is read as if it were. */
function decoded(bytes: Uint8Array, encoding: string | undefined): string {
  try {
    return new TextDecoder(encoding).decode(bytes)
  } catch {
    return new TextDecoder().decode(bytes)
  }
}
