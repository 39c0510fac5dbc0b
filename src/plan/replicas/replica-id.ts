/** `web-42-1`. The last two numbers are revision and ordinal, so the id of one role is never that of another. */
export const replicaId = (role: string, revision: number, ordinal: number): string => `${role}-${revision}-${ordinal}`

/** The smallest ids that nobody has, counted from 1: the same answer for the same observation. */
export function freeReplicaIds(
  role: string,
  revision: number,
  count: number,
  taken: ReadonlySet<string>,
): readonly string[] {
  const ids: string[] = []
  for (let ordinal = 1; ids.length < count; ordinal += 1) {
    const id = replicaId(role, revision, ordinal)
    if (!taken.has(id)) ids.push(id)
  }
  return ids
}
