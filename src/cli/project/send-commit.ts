import type { SourceBody } from '../../api/responses.ts'
import { DeployError, type FailureCode } from '../../model/failure.ts'
import { type ApiClient, SERVER_GONE } from '../api-client.ts'
import type { Session } from '../session.ts'
import { bytesText } from '../show/quantities.ts'

/** How often a commit is sent when the connection breaks. */
const MOST_TRIES = 3
/** A connection that broke; and what the server no longer had, though it said so before. */
const WORTH_ANOTHER: readonly FailureCode[] = [...SERVER_GONE, 'SOURCE_UPLOAD_INVALID']

/**
 * Sends exactly the commit that is meant to a server that cannot read the repository: its files without its history, less what
 * the server has from earlier. Answers what the request names it by. Throws SOURCE_*, SERVER_*, TOKEN_INVALID.
 */
export async function sendCommit(
  session: Session,
  client: ApiClient,
  { root, ref }: { readonly root: string; readonly ref: string },
): Promise<{ readonly commit: string; readonly url: string }> {
  const { signal, output, host } = session
  const source = await host.repository.identify(root, ref, signal)
  const path = `/v1/sources/${source.commit}`
  for (let tries = 1; ; tries++) {
    const { isHere, kept } = await client.get<SourceBody>(path, signal)
    if (isHere) return source
    await using pack = await host.repository.pack(root, source.commit, tries === 1 ? kept : [], signal)
    output.tell(`sending ${source.commit.slice(0, 7)}, ${bytesText(pack.bytes)}`)
    try {
      await client.putBytes<SourceBody>(path, pack.open(), pack.bytes, signal)
      return source
    } catch (failed) {
      const again = failed instanceof DeployError && WORTH_ANOTHER.includes(failed.code)
      if (!again || tries === MOST_TRIES) throw failed
      output.tell(`note: ${failed.message}; sending it again`)
    }
  }
}
