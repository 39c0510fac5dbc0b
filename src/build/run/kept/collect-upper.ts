import { dirname, join } from 'node:path'
import { run } from '../../../os/run.ts'
import type { Privileges } from '../../sandbox/privileges.ts'
import { TOOL_ENV, tool } from '../../sandbox/tools.ts'
import { ContentPack } from './packed-contents.ts'
import { PACK } from './run-layer.ts'
import { readUpperArchive } from './upper-archive.ts'
import { UpperListing } from './upper-layer.ts'

const ARCHIVE_MS = 3600_000

/** What a command left in the upper folder of its overlay; `startedAt`: seconds since the epoch. */
export async function listUpper(
  upper: string,
  startedAt: number,
  privileges: Privileges,
  signal: AbortSignal,
): Promise<UpperListing> {
  const pack = privileges.userNamespace ? new ContentPack(join(dirname(upper), PACK)) : null
  const listing = new UpperListing(startedAt, pack)
  const [program, args] = privileges.command([
    tool(privileges.tools, 'tar'),
    ...['--create', '--file=-', '--format=posix', '--numeric-owner', '--sort=name', '--blocking-factor=512'],
    ...['--xattrs', '--xattrs-include=*', `--directory=${upper}`, '.'],
  ])
  const { code, stderr } = await run(program, args, {
    env: TOOL_ENV,
    cwd: '/',
    timeoutMs: ARCHIVE_MS,
    signal,
    onStdout: (stream) => readUpperArchive(stream, (entry) => listing.take(entry)),
  }).finally(() => pack?.close())
  if (code !== 0) throw new Error(`tar ended with ${code}: ${stderr.trim().slice(-400)}`)
  return listing
}

/** Times of what a RUN made are the same on every machine, and in the order of the layers. */
export async function settleTimes(
  upper: string,
  paths: readonly string[],
  seconds: number,
  { tools, command }: Privileges,
  signal: AbortSignal,
): Promise<void> {
  if (paths.length === 0) return
  const [program, args] = command([
    ...[tool(tools, 'xargs'), '--null', '--no-run-if-empty', '--max-chars=100000'],
    ...[tool(tools, 'touch'), '--no-dereference', '--no-create', `--date=@${seconds}`, '--'],
  ])
  const input = paths.map((path) => `${join(upper, path)}\0`).join('')
  const { code, stderr } = await run(program, args, { env: TOOL_ENV, cwd: '/', input, timeoutMs: ARCHIVE_MS, signal })
  if (code !== 0) throw new Error(`touch ended with ${code}: ${stderr.trim().slice(-400)}`)
}
